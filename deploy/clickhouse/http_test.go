package clickhouse

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	clickhouse "github.com/ClickHouse/clickhouse-go/v2"
)

func asException(err error, target **clickhouse.Exception) bool { return errors.As(err, target) }

// call does what curl does: GET without a body, POST with one.
func call(t *testing.T, p *Process, query url.Values, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(t.Context(), method, p.URL()+"/?"+query.Encode(), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

func TestHTTPInterfaceIsClickHouses(t *testing.T) {
	p := startEngine(t, t.TempDir())
	q := func(pairs ...string) url.Values {
		v := url.Values{}
		for i := 0; i+1 < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v
	}
	for _, c := range []struct {
		name    string
		query   url.Values
		body    string
		headers []string
		status  int
		want    string // the whole answer, or with … a part of it
	}{
		{"health", q(), "", nil, 200, "Ok.\n"},
		{"tabs by default", q("query", "SELECT 1, 'a\tb'"), "", nil, 200, "1\ta\\tb\n"},
		{"FORMAT", q("query", "SELECT 1 AS a FORMAT JSONEachRow"), "", nil, 200, "{\"a\":1}\n"},
		{"FORMAT, settings and comment", q("query", "SELECT 1 AS a FORMAT CSVWithNames SETTINGS max_threads = 1 -- ; SELECT 2"), "", nil, 200, "\"a\"\n1\n"},
		{"default_format", q("query", "SELECT 1 AS a", "default_format", "JSONCompact"), "", nil, 200, "…\"data\":"},
		{"format header", q("query", "SELECT 'x'"), "", []string{"X-ClickHouse-Format", "Values"}, 200, "('x')"},
		{"query in the body", q(), "SELECT 2", nil, 200, "2\n"},
		{"query goes on in the body", q("query", "SELECT"), "3", nil, 200, "3\n"},
		{"parameter", q("query", "SELECT {x:String}", "param_x", `a\tb'c`), "", nil, 200, "a\\tb\\'c\n"},
		{"setting", q("query", "SELECT getSetting('max_threads')", "max_threads", "1"), "", nil, 200, "1\n"},
		{"unknown setting", q("query", "SELECT 1", "max_thread", "1"), "", nil, 404, "…UNKNOWN_SETTING"},
		{"setting that is SQL", q("query", "SELECT 1", "a = 1, b", "1"), "", nil, 404, "…neither a setting nor a parameter"},
		{"GET does not write", q("query", "CREATE TABLE g (a Int8) ENGINE = Memory"), "", nil, 403, "…READONLY"},
		{"create", q(), "CREATE TABLE t (a Int32, s String) ENGINE = MergeTree ORDER BY a", nil, 200, ""},
		{"insert lines", q("query", "INSERT INTO t FORMAT JSONEachRow"), "{\"a\":1,\"s\":\"x\"}\n{\"a\":2,\"s\":\"y\\nz\"}\n", nil, 200, ""},
		{"insert all in the body", q(), "INSERT INTO t SETTINGS max_threads = 1 FORMAT CSV\n3,\"q;\"\n", nil, 200, ""},
		{"insert values", q(), "INSERT INTO t (a, s) VALUES (4, 'it''s'), (2 + 3, 'v');", nil, 200, ""},
		{"insert select", q(), "INSERT INTO t SELECT a + 10, 'VALUES' FROM t WHERE a = 1", nil, 200, ""},
		{"what was inserted", q("query", "SELECT a, s FROM t ORDER BY a"), "", nil, 200, "1\tx\n2\ty\\nz\n3\tq;\n4\tit\\'s\n5\tv\n11\tVALUES\n"},
		{"two statements", q(), "SELECT 1; SELECT 2", nil, 400, "…Multi-statements"},
		{"a semicolon at the end", q(), "SELECT 1 ;\n", nil, 200, "1\n"},
		{"no statement", q(), " ", nil, 400, "…"},
		{"file of the machine", q(), "INSERT INTO t FROM /* */ INFILE '/etc/passwd' FORMAT CSV", nil, 501, "…INFILE"},
		{"file on the machine", q(), "SELECT 1 INTO\nOUTFILE '/x'", nil, 501, "…OUTFILE"},
		{"syntax", q("query", "SELEC 1"), "", nil, 400, "…SYNTAX_ERROR"},
		{"no such table", q("query", "SELECT * FROM nowhere"), "", nil, 404, "…UNKNOWN_TABLE"},
		{"no such database", q("query", "SELECT 1", "database", "no`where"), "", nil, 404, "…UNKNOWN_DATABASE"},
		{"database", q("query", "SELECT currentDatabase()", "database", "system"), "", nil, 200, "system\n"},
		{"page of another origin", q("query", "SELECT 1"), "", []string{"Origin", "https://evil.example"}, 403, "…other origins"},
		{"name that was pointed here", q("query", "SELECT 1"), "", []string{"Host", "evil.example"}, 403, "…other origins"},
		{"session", q("query", "SELECT 1", "session_id", "x"), "", nil, 501, "…session_id"},
	} {
		resp, got := call(t, p, c.query, c.body, c.headers...)
		part, partial := strings.CutPrefix(c.want, "…")
		if resp.StatusCode != c.status || partial && !strings.Contains(got, part) || !partial && got != c.want {
			t.Errorf("%s: %d %q, want %d %q", c.name, resp.StatusCode, got, c.status, c.want)
		}
		if c.status >= 400 && c.status != 403 && resp.Header.Get("X-ClickHouse-Exception-Code") == "" {
			t.Errorf("%s: no exception code in the headers", c.name)
		}
	}
	resp, packed := call(t, p, q("query", "SELECT 1", "query_id", "mine"), "", "Accept-Encoding", "gzip")
	unzip, err := gzip.NewReader(strings.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(unzip); err != nil || string(text) != "1\n" {
		t.Errorf("gzip: %q, %v", text, err)
	}
	if resp.Header.Get("X-ClickHouse-Query-Id") != "mine" || resp.Header.Get("X-ClickHouse-Format") != "TabSeparated" || !strings.Contains(resp.Header.Get("X-ClickHouse-Summary"), `"read_rows":"1"`) {
		t.Errorf("headers %v", resp.Header)
	}
}

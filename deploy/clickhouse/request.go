package clickhouse

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/google/uuid"
)

// maxBody bounds a request's body, as sent and as unpacked, in bytes. // I8
const maxBody = 256 << 20

// A request is one call of ClickHouse's HTTP interface.
type request struct {
	query, body []byte
	id          string
	database    string
	format      string // where the text names none
	revision    int    // of the Native format that the client reads
	compress    bool   // answer in ClickHouse's own compressed blocks
	method      compress.Method
	prepare     []string // statements that give the session its settings and parameters
	readonly    bool
}

// requestParameters are URL parameters of the HTTP interface that are no settings.
// https://clickhouse.com/docs/interfaces/http
var requestParameters = map[string]bool{
	"query": true, "query_id": true, "database": true, "default_format": true, "compress": true,
	"decompress": true, "client_protocol_version": true, "user": true, "password": true,
	"quota_key": true, "stacktrace": true, "wait_end_of_query": true, "buffer_size": true,
	"enable_http_compression": true, "role": true, "close_session": true,
	"network_compression_method": true, "network_zstd_compression_level": true,
}

var settingName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]{0,127}$`)

// parseRequest reads URL, headers and body. Its errors are *exception, or those of reading.
func parseRequest(w http.ResponseWriter, r *http.Request) (request, error) {
	values := r.URL.Query()
	req := request{
		id:       values.Get("query_id"),
		database: firstOf(values.Get("database"), r.Header.Get("X-ClickHouse-Database")),
		format:   firstOf(values.Get("default_format"), r.Header.Get("X-ClickHouse-Format"), "TabSeparated"),
		compress: values.Get("compress") == "1",
		query:    []byte(values.Get("query")),
		readonly: r.Method != http.MethodPost,
		method:   compress.LZ4,
	}
	if strings.EqualFold(values.Get("network_compression_method"), "ZSTD") {
		req.method = compress.ZSTD
	}
	if req.id == "" {
		req.id = uuid.NewString()
	}
	if v := values.Get("client_protocol_version"); v != "" {
		var err error
		if req.revision, err = strconv.Atoi(v); err != nil {
			return req, badArguments("client_protocol_version is not a number")
		}
	}
	if values.Has("session_id") {
		return req, notImplemented("session_id is not available in the embedded engine: send settings with each request")
	}
	var err error
	if req.prepare, err = prepareStatements(values); err != nil {
		return req, err
	}
	req.body, err = readBody(w, r, values.Get("decompress") == "1")
	return req, err
}

// prepareStatements turns URL parameters into SET statements, values always quoted.
func prepareStatements(values url.Values) ([]string, error) {
	var out []string
	for name, v := range values {
		if requestParameters[name] {
			continue
		}
		if !settingName.MatchString(name) {
			return nil, newException(115, "UNKNOWN_SETTING", "%q is neither a setting nor a parameter", name)
		}
		out = append(out, "SET "+name+" = "+quote(v[len(v)-1]))
	}
	sort.Strings(out)
	return out, nil
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// readBody reads and unpacks the body, at most maxBody bytes.
func readBody(w http.ResponseWriter, r *http.Request, decompress bool) ([]byte, error) {
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		return nil, notImplemented("external tables (multipart/form-data) are not available in the embedded engine: use a temporary table or an array parameter")
	}
	var body io.Reader = http.MaxBytesReader(w, r.Body, maxBody)
	switch encoding := r.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
	case "gzip":
		unzip, err := gzip.NewReader(body)
		if err != nil {
			return nil, badArguments("body is not gzip: %v", err)
		}
		body = unzip
	case "deflate":
		inflate, err := zlib.NewReader(body)
		if err != nil {
			return nil, badArguments("body is not deflate: %v", err)
		}
		body = inflate
	default:
		return nil, notImplemented("Content-Encoding %q is not known here: use gzip, deflate or ClickHouse's own (decompress=1)", encoding)
	}
	if decompress {
		body = compress.NewReader(body)
	}
	var buf bytes.Buffer
	n, err := io.Copy(&buf, io.LimitReader(body, maxBody+1))
	if err != nil && !(decompress && errors.Is(err, io.EOF)) { // ch-go wraps the end between two blocks
		return nil, fmt.Errorf("read the body: %w", err)
	}
	if n > maxBody {
		return nil, &http.MaxBytesError{Limit: maxBody}
	}
	return buf.Bytes(), nil
}

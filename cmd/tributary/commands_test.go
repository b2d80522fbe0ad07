package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tributary/examples/acme"
	"tributary/ingest/postgres"
	"tributary/node"
	"tributary/sinks/clickhouse"
)

// manifestIn writes a manifest into a folder of its own.
func manifestIn(t *testing.T, text string) string {
	t.Helper()
	return writeFile(t, filepath.Join(t.TempDir(), "mesh.yaml"), text)
}

// answers is a gateway that answers each path with the same text.
func answers(t *testing.T, paths map[string]string) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := paths[r.URL.RequestURI()]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			text = `{"detail":"There is no product with the sku \"` + r.URL.Path + `\"."}`
		}
		_, _ = w.Write([]byte(text))
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestExitCodes(t *testing.T) {
	fine := manifestIn(t, acme.Manifest())
	wrong := manifestIn(t, strings.Replace(acme.Manifest(), "owner: erp, required", "onwer: erp, required", 1))
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := silent.Addr().String()
	silent.Close()
	other := answers(t, map[string]string{"/v1/_status": "<html>"})
	t.Chdir(t.TempDir())
	for _, c := range []struct {
		args string
		code int
		says string // in what was printed, either way
	}{
		{"", exitFine, "Available Commands"},
		{"--help", exitFine, "Available Commands"},
		{"bogus", exitUsage, `unknown command "bogus"`},
		{"check extra", exitUsage, `unknown command "extra" for "tributary check"`},
		{"check --bogus", exitUsage, "unknown flag: --bogus"},
		{"check -o yaml", exitUsage, `unknown output "yaml": use text or json`},
		{"check", exitUsage, "no manifest: there is neither mesh.yaml nor a folder mesh here"},
		{"check -f none.yaml", exitFailed, "none.yaml: no such file or directory"},
		{"check -f " + fine, exitFine, "mesh acme is fine: 3 systems, 10 streams, 6 entities"},
		{"check -f " + wrong, exitFailed, `unknown field "onwer": did you mean "owner"?`},
		{"gen", exitUsage, "say what to generate"},
		{"gen bogus", exitUsage, "unknown command"},
		{"gen sdl", exitUsage, "no manifest"},
		{"gen sdl -f " + wrong, exitFailed, `unknown field "onwer"`},
		{"gen sdl -f " + fine, exitFine, "type Product"},
		{"gen openapi -f " + fine, exitFine, `"/v1/_why/{entity}/{id}"`},
		{"gen jsonschema", exitFine, "json-schema.org/draft/2020-12"},
		{"why product", exitUsage, "accepts between 2 and 3 arg(s), received 1; see tributary why --help"},
		{"why product SKU-1 --gateway-addr " + nobody, exitFailed, "no gateway answers at http://" + nobody},
		{"why product SKU-1 --gateway-addr " + other, exitFailed, `There is no product with the sku`},
		{"status --gateway-addr " + nobody, exitFailed, "start the mesh with tributary up"},
		{"status --gateway-addr " + other, exitFailed, "is no Tributary gateway: name the right address with --gateway-addr"},
		{"lag", exitUsage, "no manifest"},
		{"lag --since 1ms -f " + fine, exitUsage, "--since is 1ms: give a second at least"},
		{"lag --clickhouse-addr " + nobody + " -f " + fine, exitFailed, "say where its ClickHouse is with --clickhouse-addr"},
		{"lag -f " + manifestIn(t, strings.Replace(acme.Manifest(), "clickhouse: embedded", "clickhouse: none", 1)), exitFailed, "nothing keeps its lag"},
		{"completion bash", exitFine, "bash completion"},
	} {
		r := command(t, strings.Fields(c.args)...)
		if r.code != c.code || !strings.Contains(r.out+r.err, c.says) {
			t.Errorf("tributary %s: exit code %d, want %d, and %q in\n%s%s", c.args, r.code, c.code, c.says, r.out, r.err)
		}
		if c.code != exitFine && r.out != "" {
			t.Errorf("tributary %s: errors belong to stderr, stdout has\n%s", c.args, r.out)
		}
	}
}

func TestCheckReportsAsJSON(t *testing.T) {
	for _, name := range []string{"ERP_DATABASE_URL", "PIM_DATABASE_URL", "WMS_DATABASE_URL"} {
		t.Setenv(name, "")
	}
	text := strings.NewReplacer("onwer", "owner", "owner: erp, group", "onwer: erp, group").Replace(acme.Manifest())
	r := command(t, "check", "-o", "json", "-f", manifestIn(t, text))
	var report struct {
		OK       *bool
		Faults   []struct{ Line, Column int }
		Problems []any
		Warnings []any
	}
	if err := json.Unmarshal([]byte(r.out), &report); err != nil {
		t.Fatal(err)
	}
	if r.code != exitFailed || report.OK == nil || *report.OK || len(report.Faults) != 1 || report.Faults[0].Line == 0 || report.Problems == nil || report.Warnings == nil {
		t.Errorf("exit code %d\n%s", r.code, r.out)
	}
	r = command(t, "check", "--connect", "-f", manifestIn(t, acme.Manifest()))
	if r.code != exitFailed || strings.Count(r.err, "environment variable ERP_DATABASE_URL is not set") != 2 {
		t.Errorf("without secrets: exit code %d\n%s", r.code, r.err)
	}
}

// TestHelp holds every command that does something to a summary and examples.
func TestHelp(t *testing.T) {
	root := (&cli{}).root()
	for _, cmd := range root.Commands() {
		for _, c := range append(cmd.Commands(), cmd) {
			if c.Name() == "help" || c.Name() == "completion" {
				continue
			}
			if c.Short == "" || c.Example == "" && !c.HasSubCommands() {
				t.Errorf("%s: give it a summary and examples", c.CommandPath())
			}
		}
	}
}

const statusAnswer = `{"mesh":"acme","broker":{"records":17000000,"limit":20000000},
"streams":[
 {"name":"erp.material","state":"LIVE","verifiedThrough":"2026-11-23T08:00:00Z","stalenessMs":850,"lag":{"records":0,"bytes":null,"ms":850},"deadLetters":2,"downSince":null,
  "snapshot":{"state":"done","epoch":1,"rows":1234567,"estimate":1200000},"position":"e1:0:16/B374D848:3","captured":42,"errors":0},
 {"name":"pim.product","state":"SNAPSHOTTING","verifiedThrough":null,"stalenessMs":null,"lag":{"records":null,"bytes":null,"ms":null},"deadLetters":0,"downSince":null,
  "snapshot":{"state":"running","epoch":1,"rows":300,"estimate":1000},"position":"e1:0:0/0:0","captured":300,"errors":1},
 {"name":"wms.stock","state":"STALLED","verifiedThrough":"2026-11-23T07:00:00Z","stalenessMs":3600000,"lag":{"records":12,"bytes":null,"ms":3600000},"deadLetters":0,"downSince":"2026-11-23T07:00:00Z","reason":"system wms: nothing listens at 127.0.0.1:5432\n  mend: start the server, or correct host and port in ${WMS_DATABASE_URL}",
  "snapshot":null,"position":null,"captured":null,"errors":null}],
"views":[
 {"name":"product","state":"STALLED","verifiedThrough":"2026-11-23T07:00:00Z","stalenessMs":3600000,"lag":{"records":5,"bytes":null,"ms":15},"deadLetters":2,"rows":98765,"incomplete":3,"conflicts":11},
 {"name":"order","state":"UNKNOWN","verifiedThrough":null,"stalenessMs":null,"lag":{"records":null,"bytes":null,"ms":null},"deadLetters":0,"rows":null,"incomplete":null,"conflicts":null}]}`

// TestStatusText holds the screen to a golden file: what is unknown is "-", never 0.
func TestStatusText(t *testing.T) {
	r := command(t, "status", "--gateway-addr", answers(t, map[string]string{"/v1/_status": statusAnswer}))
	if r.code != exitFine {
		t.Fatal(r.err)
	}
	compare(t, "status.golden", r.out)
}

func TestLagText(t *testing.T) {
	var out bytes.Buffer
	c := &cli{stdout: &out}
	known := func(v float64) sql.NullFloat64 { return sql.NullFloat64{Float64: v, Valid: true} }
	rows := []clickhouse.LagRow{
		{Stage: "ingest", System: "erp", Stream: "erp.material", LagMillis: sql.NullInt64{Int64: 700, Valid: true},
			StalenessP50: known(600), StalenessP95: known(1500), StalenessMax: known(61_000), RecordsPerSecond: 12.34, Series: []float64{1, math.NaN(), 3}},
		{Stage: "resolve", Entity: "product", LagRecords: sql.NullInt64{Int64: 12345, Valid: true}, Errors: 3, Series: []float64{0}},
	}
	c.printLag(rows, time.Hour)
	c.printLag(nil, time.Hour)
	if err := c.printLagJSON(rows); err != nil {
		t.Fatal(err)
	}
	compare(t, "lag.golden", out.String())
}

// TestLagFoldsStreams: a view has one line, with the worst of its streams, unknown where one is.
func TestLagFoldsStreams(t *testing.T) {
	var out bytes.Buffer
	c := &cli{stdout: &out}
	known := func(v float64) sql.NullFloat64 { return sql.NullFloat64{Float64: v, Valid: true} }
	stream := func(entity, name string, ms sql.NullFloat64) clickhouse.LagRow {
		return clickhouse.LagRow{Stage: "resolve", Entity: entity, Stream: name, StalenessP50: ms, StalenessMax: ms, Errors: 1, Series: []float64{ms.Float64}}
	}
	own := clickhouse.LagRow{Stage: "resolve", Entity: "product", LagRecords: sql.NullInt64{Int64: 7, Valid: true}, RecordsPerSecond: 5, Series: []float64{math.NaN()}}
	never := sql.NullFloat64{}
	c.printLag(folded([]clickhouse.LagRow{
		{Stage: "ingest", Stream: "erp.material"}, {Stage: "ingest", Stream: "pim.product"},
		stream("product", "erp.material", known(100)), own, stream("product", "pim.product", known(300)),
		stream("order", "erp.order", known(50)), stream("order", "erp.line", never),
	}), time.Hour)
	compare(t, "lag_folded.golden", out.String())
}

func TestDoctorText(t *testing.T) {
	var out bytes.Buffer
	c := &cli{stdout: &out}
	err := c.printDoctor(&doctorReport{Mesh: "acme", Findings: []node.Finding{
		{Level: postgres.OK, Subject: "system erp", Text: "wal_level is logical"},
		{Level: postgres.Warn, Subject: "system erp", Text: "role postgres is a superuser; capture needs far less", Mend: "CREATE ROLE tributary LOGIN REPLICATION PASSWORD '…';  -- with SELECT on the tables"},
		{Level: postgres.Fail, Subject: "port of gateway", Text: "two\nlines", Mend: "first\nsecond"},
	}})
	if err == nil {
		t.Error("a failed finding must end in an error")
	}
	compare(t, "doctor.golden", out.String())
}

// TestDoctorWithoutAnything examines a machine on which a port is taken and no secret is set.
func TestDoctorWithoutAnything(t *testing.T) {
	for _, name := range []string{"ERP_DATABASE_URL", "PIM_DATABASE_URL", "WMS_DATABASE_URL"} {
		t.Setenv(name, "")
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	data := filepath.Join(t.TempDir(), "new", "folder")
	r := command(t, "doctor", "-f", manifestIn(t, acme.Manifest()), "--data", data, "--gateway-addr", taken.Addr().String(),
		"--registry-addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0", "--kafka-addr", "127.0.0.1:0", "--clickhouse-addr", "127.0.0.1:0")
	for _, want := range []string{
		"fail  system erp: environment variable ERP_DATABASE_URL is not set\n      export it, as the manifest says ${ERP_DATABASE_URL}\n",
		"fail  port of gateway: " + taken.Addr().String() + " is in use by another process\n      stop it, or choose another address with --gateway-addr\n",
		"ok    port of kafka: 127.0.0.1:0 is free\n",
		"data folder: " + data + " can be written, ",
	} {
		if !strings.Contains(r.out, want) {
			t.Errorf("want %q in\n%s", want, r.out)
		}
	}
	if r.code != exitFailed {
		t.Errorf("exit code %d, want %d", r.code, exitFailed)
	}
	if _, err := os.Stat(data); !os.IsNotExist(err) {
		t.Errorf("doctor made the data folder: %v", err)
	}
}

// TestNoColourInAPipe: what is no terminal gets plain text.
func TestNoColourInAPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if paintFor(w).on || paintFor(&bytes.Buffer{}).on {
		t.Error("a pipe would get colours")
	}
	if got := (paint{on: true}).state("LIVE"); !strings.Contains(got, "\x1b[") {
		t.Errorf("%q has no colour for a terminal", got)
	}
}

func TestCompletion(t *testing.T) {
	path := manifestIn(t, acme.Manifest())
	for _, c := range []struct{ args, want string }{
		{"__complete why -f " + path + " pr", "product\tWhat Acme sells, whatever its colour and size.\nprice\tWhat a product costs in one market.\n"},
		{"__complete why -f " + path + " product SKU-1 lo", "locations\tWarehouses that keep it\n"},
		{"__complete why -f " + path + " product SK", ":4\n"},
		{"__complete status -f " + path + " wms.b", "wms.bin\tpublic.bin\n"},
		{"__complete lag -f " + path + " cust", "customer\n"},
	} {
		r := command(t, strings.Fields(c.args)...)
		if r.code != exitFine || !strings.HasPrefix(r.out, c.want) {
			t.Errorf("%s: %q, want %q", c.args, r.out, c.want)
		}
	}
}

func TestSpans(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0ms", 350 * time.Millisecond: "350ms", 4260 * time.Millisecond: "4.2s", 185 * time.Second: "3m05s",
		130 * time.Minute: "2h10m", 76 * time.Hour: "3d04h",
	} {
		if got := span(d); got != want {
			t.Errorf("span(%v) = %q, want %q", d, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567"} {
		if got := grouped(n); got != want {
			t.Errorf("grouped(%d) = %q, want %q", n, got, want)
		}
	}
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/examples/acme"
	"tributary/serve/rest"
)

// One product on which every rule has something to decide.
const (
	articleERP = `insert into material (matnr, maktx, brand, netpr, waers, ntgew, ersda, buyer, changed_at)
		values ('WHY-1', 'Jacke', 'Acme', 12.50, 'EUR', 0.750, '2026-01-02', 'anna@acme.example', '2026-02-01T08:00:00Z')`
	articlePIM = `insert into product (identifier, brand, ean, enabled, weight, editor, list_price, list_currency, updated_at)
		values ('WHY-1', 'Peak', '4000000000001', true, 0.800, 'bert@acme.example', 14.00, 'USD', '2026-02-02T08:00:00Z');
		insert into product_text (identifier, locale, title) values ('WHY-1', 'de', 'Regenjacke'), ('WHY-1', 'en', 'Rain jacket')`
	articleWMS = `insert into stock (sku, warehouse, on_hand) values ('WHY-1', 'BER', 3), ('WHY-1', 'HAM', 4)`
)

func execSQL(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// ran is what a command printed and its exit code.
type ran struct {
	out, err string
	code     int
}

func command(t *testing.T, args ...string) ran {
	t.Helper()
	var out, errs bytes.Buffer
	code := execute(t.Context(), args, &out, &errs)
	return ran{out.String(), errs.String(), code}
}

// commandJSON runs a command with -o json and reads what it printed.
func commandJSON(t *testing.T, into any, args ...string) ran {
	t.Helper()
	r := command(t, append(args, "-o", "json")...)
	if r.code != exitFine {
		t.Fatalf("%v: exit code %d\n%s", args, r.code, r.err)
	}
	if err := json.Unmarshal([]byte(r.out), into); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, r.out)
	}
	return r
}

// masked replaces what differs between runs.
func masked(text string) string {
	for _, m := range [][2]string{
		{`e\d+:\d+:[0-9A-F]+/[0-9A-F]+:\d+`, "POSITION"},
		{`("commitTime": )"[^"]+"`, `$1"TIME"`},
		{`("sourceTime": )"[^"]+\.[^"]+"`, `$1"TIME"`}, // the rows' own times are whole seconds
		{`("txId": )\d+`, "${1}TX"},
		{`(committed )\S+( in transaction )\d+`, "${1}TIME${2}TX"},
		{`(committed )2\S+Z`, "${1}TIME"},
		{`verified through \S+, \S+ ago, version \S+`, "verified"},
		{`(  +)2\d{3}-\d\d-\d\dT[\d:.]+Z`, "${1}TIME"},
		{`(of )2\d{3}-\d\d-\d\dT[\d:.]+Z: it lies in the dead letters as [0-9a-f]+`, "${1}TIME: it lies in the dead letters as ID"},
	} {
		text = regexp.MustCompile(m[0]).ReplaceAllString(text, m[1])
	}
	return text
}

// A meshUnderTest is the example mesh with its command line.
type meshUnderTest struct {
	*trial
	flags []string
}

func (m *meshUnderTest) with(args ...string) []string { return append(args, m.flags...) }

// TestCommandsOverAMesh runs the commands against the example mesh and its databases.
func TestCommandsOverAMesh(t *testing.T) {
	tr := newTrial(t, setup{products: 30})
	for _, variable := range tr.db.Env() {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	tr.node = tr.member("up", "up")
	if err := tr.node.Start(); err != nil {
		t.Fatal(err)
	}
	if err := tr.node.await(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
	for url, sql := range map[string]string{tr.db.ERP: articleERP, tr.db.PIM: articlePIM, tr.db.WMS: articleWMS} {
		execSQL(t, url, sql)
	}
	m := &meshUnderTest{tr, []string{"-f", filepath.Join(tr.dir, "mesh.yaml"), "--data", tr.node.data}}
	t.Run("check", m.testCheck)
	t.Run("doctor", m.testDoctor)
	t.Run("status", m.testStatus)
	t.Run("why", m.testWhy)
	t.Run("counts", m.testCounts)
	t.Run("held", m.testHeld)

	if err := tr.node.Stop(); err != nil {
		t.Fatal(err)
	}
	addr := strings.TrimPrefix(tr.node.gateway, "http://")
	want := "no gateway answers at " + tr.node.gateway + ": start the mesh with tributary up"
	if r := command(t, m.with("status", "--gateway-addr", addr)...); r.code != exitFailed || !strings.Contains(r.err, want) {
		t.Errorf("status of a mesh that is down: exit code %d\n%s", r.code, r.err)
	}
}

func (m *meshUnderTest) testCheck(t *testing.T) {
	if r := command(t, m.with("check", "--connect")...); r.code != exitFine || r.out != "mesh acme is fine: 3 systems, 10 streams, 6 entities\n" {
		t.Errorf("exit code %d\n%s%s", r.code, r.out, r.err)
	}
	wrong := strings.NewReplacer("created: row.ersda", "created: row.ersdat", "listed: row.enabled", "listed: row.weight").Replace(acme.Manifest())
	path := writeFile(t, filepath.Join(m.dir, "wrong.yaml"), wrong)
	r := command(t, "check", "--connect", "-f", path)
	if r.code != exitFailed {
		t.Errorf("exit code %d, want %d", r.code, exitFailed)
	}
	compare(t, "check_connect.golden", strings.ReplaceAll(r.err, m.dir, "DIR"))
}

func (m *meshUnderTest) testDoctor(t *testing.T) {
	var report doctorReport
	commandJSON(t, &report, m.with("doctor")...)
	subjects := map[string]string{}
	for _, f := range report.Findings {
		subjects[f.Subject] += string(f.Level) + " " + f.Text + "\n"
	}
	for subject, want := range map[string]string{
		"system erp": "ok PostgreSQL", "stream erp.material (public.material)": "ok 11 columns, key matnr", "system wms": "is in use",
		"data folder": "ok ", "process": "ok mesh acme runs over", "kafka": "ok the embedded broker holds",
	} {
		if !strings.Contains(subjects[subject], want) {
			t.Errorf("%s: %q, want %q in it", subject, subjects[subject], want)
		}
	}
	if !report.OK || report.Mesh != "acme" {
		t.Errorf("ok %t, mesh %q", report.OK, report.Mesh)
	}
}

// until asks until the status holds.
func (m *meshUnderTest) until(t *testing.T, what string, holds func(*rest.Status) bool) *rest.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		var st rest.Status
		r := commandJSON(t, &st, m.with("status")...)
		if holds(&st) {
			return &st
		}
		select {
		case <-ctx.Done():
			t.Fatalf("the status never told %s; at last it was\n%s", what, r.out)
		case <-tick.C:
		}
	}
}

// caughtUp says whether every view shows all that was committed before since.
func caughtUp(st *rest.Status, since time.Time) bool {
	for _, s := range st.Streams {
		if s.State != "LIVE" || s.Lag.Records == nil || *s.Lag.Records > 0 {
			return false
		}
	}
	for _, v := range st.Views {
		if v.State != "LIVE" || v.Lag.Records == nil || *v.Lag.Records > 0 || v.Name == "product" && *v.Rows != 31 {
			return false
		}
		if v.VerifiedThrough == nil || v.VerifiedThrough.Before(since) {
			return false
		}
	}
	return true
}

func (m *meshUnderTest) testStatus(t *testing.T) {
	since := time.Now() // on the databases' own machine, behind the rows that were added
	st := m.until(t, "31 products, LIVE everywhere, without lag", func(st *rest.Status) bool { return caughtUp(st, since) })
	if st.Broker == nil || st.Broker.Records == 0 {
		t.Errorf("broker: %+v", st.Broker)
	}
	for _, s := range st.Streams {
		if s.Snapshot == nil || s.Snapshot.State != "done" || s.Position == nil || s.Captured == nil || s.Lag.Ms == nil {
			t.Errorf("stream %s: %+v", s.Name, s)
		}
		if s.Name == "erp.material" && (s.Snapshot.Rows != 30 || *s.Captured < 31) {
			t.Errorf("erp.material: snapshot of %d rows, %d captured, want 30 and 31", s.Snapshot.Rows, *s.Captured)
		}
	}
	r := command(t, m.with("status", "product", "erp.material")...)
	if r.code != exitFine || !strings.Contains(r.out, "erp.material  LIVE") || strings.Contains(r.out, "variant") {
		t.Errorf("status with names: exit code %d\n%s%s", r.code, r.out, r.err)
	}
	if r := command(t, m.with("status", "produkt")...); r.code != exitFailed || !strings.Contains(r.err, `no stream or view "produkt": there are erp.material`) {
		t.Errorf("status of an unknown name: exit code %d\n%s", r.code, r.err)
	}
}

func (m *meshUnderTest) testWhy(t *testing.T) {
	var got strings.Builder
	for _, args := range [][]string{
		{"why", "product", "WHY-1", "price", "-o", "json"},
		{"why", "product", "WHY-1", "price"},
		{"why", "product", "WHY-1", "currency"},
		{"why", "product", "WHY-1", "brand"},
		{"why", "product", "WHY-1", "weight"},
		{"why", "product", "WHY-1", "stock", "-o", "json"},
		{"why", "product", "WHY-1", "stock"},
		{"why", "product", "WHY-1", "name"},
		{"why", "product", "WHY-1", "name", "--locale", "de", "-o", "json"},
		{"why", "product", "WHY-1"},
		{"why", "prodct", "WHY-1"},
		{"why", "product", "WHY-1", "prize"},
		{"why", "order", "one"},
	} {
		r := command(t, m.with(args...)...)
		got.WriteString("$ tributary " + strings.Join(args, " ") + "\n" + r.out + r.err)
		if r.code != exitFine {
			got.WriteString("exit code 1\n")
		}
	}
	compare(t, "why.golden", masked(got.String()))
	var all []rest.WhyField
	commandJSON(t, &all, m.with("why", "product", "WHY-1")...)
	if len(all) < 18 {
		t.Errorf("%d fields, want all", len(all))
	}
}

// product gives the status of the view product.
func product(st *rest.Status) *rest.ViewStatus {
	for i := range st.Views {
		if st.Views[i].Name == "product" {
			return &st.Views[i]
		}
	}
	return &rest.ViewStatus{}
}

// testCounts follows the counts of resolve: a product without price is incomplete until it has
// one; the open conflicts are those that provenance tells, before and after they change.
func (m *meshUnderTest) testCounts(t *testing.T) {
	before := *product(m.until(t, "counts", func(st *rest.Status) bool { return product(st).Incomplete != nil })).Incomplete
	execSQL(t, m.db.PIM, `insert into product (identifier, ean, enabled, updated_at) values ('WHY-2', '4000000000002', true, now())`)
	m.until(t, "an incomplete product", func(st *rest.Status) bool { return *product(st).Incomplete == before+1 })
	execSQL(t, m.db.ERP, `insert into material (matnr, maktx, netpr, waers, ersda, changed_at) values ('WHY-2', 'Hose', 1, 'EUR', '2026-01-01', now())`)
	m.until(t, "no more incomplete product", func(st *rest.Status) bool { return *product(st).Incomplete == before && *product(st).Rows == 32 })
	open := m.conflicts(t)
	if got := *product(m.until(t, "conflicts", func(st *rest.Status) bool { return product(st).Conflicts != nil })).Conflicts; got != open || open == 0 {
		t.Errorf("%d open conflicts of product, provenance tells of %d", got, open)
	}
	execSQL(t, m.db.PIM, `update product set brand = 'Acme' where identifier = 'WHY-1'`)
	m.until(t, "a conflict less", func(st *rest.Status) bool { return *product(st).Conflicts == open-1 })
	execSQL(t, m.db.PIM, `update product set brand = 'Peak' where identifier = 'WHY-1'`)
	m.until(t, "it again", func(st *rest.Status) bool { return *product(st).Conflicts == open })
}

// conflicts counts the fields of products that provenance says are in conflict.
func (m *meshUnderTest) conflicts(t *testing.T) (n int64) {
	t.Helper()
	var client http.Client
	defer client.CloseIdleConnections()
	resp, err := client.Get(m.node.gateway + "/v1/products?first=1000&include=provenance")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var page struct {
		Items []struct {
			Meta struct {
				Fields []struct{ Conflict bool } `json:"fields"`
			} `json:"_meta"`
		} `json:"items"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&page); err != nil {
		t.Fatal(err)
	}
	for _, item := range page.Items {
		for _, f := range item.Meta.Fields {
			if f.Conflict {
				n++
			}
		}
	}
	return n
}

// testHeld breaks a row in the PIM: it goes to the dead letters, its entity keeps its last good
// value and says so.
func (m *meshUnderTest) testHeld(t *testing.T) {
	execSQL(t, m.db.PIM, `update product set ean = 'short', brand = 'Broken' where identifier = 'WHY-1'`)
	m.until(t, "a dead letter", func(st *rest.Status) bool {
		return product(st).DeadLetters == 1 && strings.Contains(command(t, m.with("why", "product", "WHY-1", "brand")...).out, "held")
	})
	compare(t, "held.golden", masked(command(t, m.with("why", "product", "WHY-1", "brand")...).out))
	var list struct{ Letters []struct{ ID string } }
	commandJSON(t, &list, m.with("dlq", "list")...)
	if len(list.Letters) != 1 || !m.node.said(t, `"correlation":"`+list.Letters[0].ID+`"`) {
		t.Errorf("the log does not tell the dead letter of %+v", list)
	}
	execSQL(t, m.db.PIM, `update product set ean = '4000000000001', brand = 'Peak' where identifier = 'WHY-1'`)
	m.until(t, "that it is mended", func(st *rest.Status) bool { return product(st).DeadLetters == 0 })
}

package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"tributary/deploy/postgres"
	"tributary/deploy/postgres/pgtest"
	"tributary/ingest"
	"tributary/internal/golden"
)

// roleURL makes a role on a fixture's server, with a name of its own, and the URL to log in.
func roleURL(t *testing.T, srv *pgserver.Server, url, attributes string) (role, roleURL string) {
	t.Helper()
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	role = "role_" + cfg.Database
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	if _, err := conn.Exec(t.Context(), fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD 'secret word' %s", quote(role), attributes)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, sql := range []string{"DROP OWNED BY " + quote(role), "DROP ROLE " + quote(role)} {
			if _, err := conn.Exec(context.Background(), sql); err != nil {
				t.Error(err)
			}
		}
	})
	return role, srv.URLFor(role, "secret word", cfg.Database)
}

// joined takes an error of errors.Join apart.
func joined(err error) []error {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		return many.Unwrap()
	}
	return []error{err}
}

// TestEveryFaultAtOnce meets every fault of tables and privileges in one Discover.
func TestEveryFaultAtOnce(t *testing.T) {
	t.Parallel()
	srv := pgtest.Start(t, func(c *pgserver.Config) { c.Settings = map[string]string{"wal_level": "replica"} })
	url := pgtest.Database(t, srv)
	f := fixtureOn(t, url, `
		CREATE TABLE price_condition (id int PRIMARY KEY);
		CREATE TABLE keyless (id int);
		CREATE TABLE nothing (id int PRIMARY KEY); ALTER TABLE nothing REPLICA IDENTITY NOTHING;
		CREATE UNLOGGED TABLE volatile (id int PRIMARY KEY);
		CREATE TABLE deferred (id int PRIMARY KEY DEFERRABLE);
		CREATE VIEW shown AS SELECT 1 AS id;
		CREATE SCHEMA locked; CREATE TABLE locked.t (id int PRIMARY KEY);
		CREATE TABLE guarded (id int PRIMARY KEY); ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
		CREATE TABLE fine (id int PRIMARY KEY)`)
	role, login := roleURL(t, srv, url, "")
	f.exec("GRANT SELECT ON keyless, nothing, volatile, deferred, guarded, fine, price_condition TO " + quote(role))
	f.source = f.open(login, "a=public.price_conditon", "b=keyless", "c=nothing", "d=volatile", "e=deferred", "f=shown", "g=locked.t",
		"h=guarded", "i=fine", `j=FINE`, `k="Fine`, "l=price_condition")
	_, err := f.source.Discover(t.Context())
	for _, e := range joined(err) {
		var fault *ingest.Fault
		if !errors.As(e, &fault) || fault.Mend == "" {
			t.Errorf("no fault with a mend: %v", e)
		}
	}
	text := strings.NewReplacer(role, "ROLE", f.source.config.Database, "DB").Replace(err.Error())
	golden.Compare(t, "testdata/faults.golden", strings.ReplaceAll(text, f.source.slot, "SLOT")+"\n")
	if strings.Contains(text, "secret word") {
		t.Error("the password is in an error")
	}
}

// TestLeastPrivileges walks the way of an owner who grants one thing after the other: each mend
// must be what makes the next step work.
func TestLeastPrivileges(t *testing.T) {
	t.Parallel()
	srv := pg.Server(t)
	url := pgtest.Database(t, srv)
	f := fixtureOn(t, url, `CREATE SCHEMA s; CREATE TABLE s.t (id int PRIMARY KEY); INSERT INTO s.t VALUES (1)`)
	_, login := roleURL(t, srv, url, "")
	f.source = f.open(login, "t=s.t")
	for round := 0; ; round++ {
		_, err := f.source.Discover(t.Context())
		if err == nil {
			break
		}
		if round > 0 {
			t.Fatalf("after all mends: %v", err)
		}
		for _, e := range joined(err) {
			var fault *ingest.Fault
			if !errors.As(e, &fault) {
				t.Fatal(e)
			}
			f.exec(fault.Mend)
		}
	}
	rec := newRecorder()
	f.stream(f.first(rec), rec)
	f.exec("INSERT INTO s.t VALUES (2)")
	wantTexts(t, texts(t, rec, rec.untilChanges(t, 2)), []string{"r map[id:1] → map[id:1]", "c map[id:2] → map[id:2]"})
}

// serverVersion is the major version of the shared server.
func serverVersion(t *testing.T) int {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), pg.Server(t).URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	return serverMajor(conn.PgConn())
}

func TestCheck(t *testing.T) {
	t.Parallel()
	generated := "STORED" // published from 18 on, where a virtual one is not
	if serverVersion(t) >= 18 {
		generated = "VIRTUAL"
	}
	f := newFixture(t, `CREATE TABLE t (id int PRIMARY KEY, double_id int GENERATED ALWAYS AS (id * 2) `+generated+`); CREATE TABLE bag (a int); ALTER TABLE bag REPLICA IDENTITY FULL`,
		"t=t before", "bag=bag")
	opts := ingest.Options{Mesh: "test", System: f.source.system}
	clean := func(findings []Finding) string {
		var b strings.Builder
		for _, x := range findings {
			if strings.Contains(x.Text, "replication slots in use") || strings.Contains(x.Text, "older than ten minutes") || strings.HasPrefix(x.Text, "PostgreSQL ") {
				continue // of the whole server
			}
			fmt.Fprintf(&b, "%-4s %s: %s\n     %s\n", x.Level, x.Subject, x.Text, x.Mend)
		}
		return strings.NewReplacer(f.source.slot, "SLOT", f.source.config.Database, "DB").Replace(b.String())
	}
	text := "before the first snapshot\n" + clean(Check(t.Context(), opts))
	f.first(newRecorder())
	behind := clean(Check(t.Context(), opts))
	if !strings.Contains(behind, "warn system DB: slot SLOT is not in use, keeps ") || serverVersion(t) >= 13 && !strings.Contains(behind, "wal_status reserved") {
		t.Errorf("the idle slot is missing in\n%s", behind)
	}
	opts.System.Connection = options("postgres://nobody:secret@127.0.0.1:1/x", "x").System.Connection
	text += "unreachable\n" + clean(Check(t.Context(), opts))
	opts.System.Connection = options("postgres://nobody:sec ret@[1/x", "x").System.Connection
	text += "no URL\n" + clean(Check(t.Context(), opts))
	golden.Compare(t, "testdata/check.golden", text)
	if strings.Contains(text, "sec") {
		t.Error("the password is in a finding")
	}
}

func TestContract(t *testing.T) {
	t.Parallel()
	f := newFixture(t, typeSetup+`CREATE TABLE t (id int8, part "char", note varchar(20), price numeric(12,2), at timestamptz(3), day date, feeling mood, tags text[], "odd col" bytea, PRIMARY KEY (id, part))`, "t=t")
	contracts, err := f.source.Discover(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := contracts[0]
	golden.Compare(t, "testdata/contract.golden", strings.ReplaceAll(c.KeySchema+"\n"+c.ValueSchema+"\n", f.source.system.Name, "SYSTEM"))
	rec := newRecorder()
	ids, err := rec.Contract(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	at := f.clock()
	v := rec.decode(t, c.Delete([]byte{0, 0, 0, 0, byte(ids.Value)}, at))
	if v["op"] != "d" || v["after"] != nil || v["source"].(map[string]any)["ts_us"] != at.UnixMicro() {
		t.Errorf("a delete of our own is %v", v)
	}
}

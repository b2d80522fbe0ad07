package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/deploy/postgres/pgtest"
	"tributary/internal/crash"
	"tributary/internal/poll"
	"tributary/serve/rest"
)

// secret is the password of every address here: nothing may print it (I11).
const secret = "Geheim0815"

// A taken is a listener that holds a port, and says no more.
func taken(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln.Addr().String()
}

// nobody is an address where nothing listens.
func nobody(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// answering is a server that answers everything with a status.
func answering(t *testing.T, status int) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	t.Cleanup(srv.Close)
	return srv.URL
}

var freePorts = []string{"--gateway-addr", "127.0.0.1:0", "--registry-addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0",
	"--kafka-addr", "127.0.0.1:0", "--clickhouse-addr", "127.0.0.1:0"}

// TestRefusedStarts holds what ends a start to golden texts: each says what is wrong, where, and
// what to do, within seconds.
func TestRefusedStarts(t *testing.T) {
	binary, err := builder.Binary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	shop := func(old, new string) string { return strings.Replace(shopManifest, old, new, 1) }
	embeddedEngine := shop("clickhouse: none", "clickhouse: embedded")
	file := writeFile(t, filepath.Join(t.TempDir(), "file"), "")
	ports := map[string]string{}
	flags := []string{}
	for _, name := range []string{"gateway", "registry", "admin", "kafka", "clickhouse"} {
		ports[name] = taken(t)
		flags = append(flags, "--"+name+"-addr", ports[name])
	}
	silent, fails, refuses := nobody(t), answering(t, http.StatusInternalServerError), answering(t, http.StatusUnauthorized)
	mask := strings.NewReplacer(silent, "SILENT", fails, "http://FAILS", refuses, "http://REFUSES", file, "FILE",
		ports["gateway"], "TAKEN1", ports["registry"], "TAKEN2", ports["admin"], "TAKEN3", ports["kafka"], "TAKEN4", ports["clickhouse"], "TAKEN5")
	for _, c := range []struct {
		name, manifest string
		args           []string
		code           int
	}{
		{"wrong manifest", shop("owner: shop@acme.example", "onwer: shop@acme.example\nbogus: 1"), nil, exitFailed},
		{"password in the manifest", shop("${SHOP_URL}", "postgres://shop:"+secret+"@db/shop"), nil, exitFailed},
		{"unknown flag", shopManifest, []string{"--bogus"}, exitUsage},
		{"taken ports", embeddedEngine, flags, exitFailed},
		{"data folder is a file", shopManifest, []string{"--data", file}, exitFailed},
		{"kafka does not answer", shop("bootstrap: embedded", `bootstrap: "`+silent+`"`), nil, exitFailed},
		{"registry does not answer", shop("url: embedded", `url: "http://`+silent+`"`), nil, exitFailed},
		{"registry fails", shop("url: embedded", `url: "`+fails+`"`), nil, exitFailed},
		{"registry asks for credentials", shop("url: embedded", `url: "`+refuses+`"`), nil, exitFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			manifest := writeFile(t, filepath.Join(dir, "mesh.yaml"), c.manifest)
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			cmd := exec.CommandContext(ctx, binary, append(append([]string{"up", "-f", manifest, "--data", filepath.Join(dir, "data")}, freePorts...), c.args...)...)
			cmd.Env = append(os.Environ(), "SHOP_URL=postgres://shop:"+secret+"@"+silent+"/shop")
			var out, errs bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &errs
			err := cmd.Run()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != c.code {
				t.Errorf("%v, want exit code %d", err, c.code)
			}
			if out.Len() > 0 {
				t.Errorf("errors belong to stderr, stdout has\n%s", out.String())
			}
			spotless(t, errs.String())
			compare(t, filepath.Join("refusals", strings.ReplaceAll(c.name, " ", "_")+".golden"), mask.Replace(strings.ReplaceAll(errs.String(), manifest, "mesh.yaml")))
		})
	}
}

// spotless holds output against what it must never have.
func spotless(t *testing.T, text string) {
	t.Helper()
	for _, never := range []string{secret, "panic", "goroutine ", ".go:"} {
		if strings.Contains(text, never) {
			t.Errorf("it prints %q:\n%s", never, text)
		}
	}
}

// TestUnreachableDatabases holds what is said of a database that cannot be captured to golden
// texts: up serves on and says it once in its log and in the status, doctor fails with the mend.
func TestUnreachableDatabases(t *testing.T) {
	srv := pg.Server(t)
	good, err := url.Parse(pgtest.Database(t, srv))
	if err != nil {
		t.Fatal(err)
	}
	role := "poor_" + strings.TrimPrefix(good.Path, "/")[len(good.Path)-8:]
	execSQL(t, good.String(), `CREATE TABLE item (id int PRIMARY KEY, sku text, state text, price numeric(12,2))`)
	execSQL(t, good.String(), fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'", role, secret))
	execSQL(t, good.String(), "INSERT INTO item VALUES (1, 'A', 'on', 1)")
	silent := nobody(t)
	mask := strings.NewReplacer(silent, "SILENT", good.Host, "SERVER", strings.TrimPrefix(good.Path, "/"), "DATABASE", role, "ROLE")
	with := func(change func(*url.URL)) string {
		u := *good
		u.User = url.UserPassword(good.User.Username(), secret)
		change(&u)
		return u.String()
	}
	for _, c := range []struct{ name, url string }{
		{"nothing listens", with(func(u *url.URL) { u.Host = silent })},
		{"unknown host", with(func(u *url.URL) { u.Host = "no.such.host.invalid:5432" })},
		{"wrong password", with(func(*url.URL) {})},
		{"wrong database", with(func(u *url.URL) { u.User, u.Path = good.User, "/nodb" })},
		{"missing rights", with(func(u *url.URL) { u.User = url.UserPassword(role, secret) })},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := startDown(t, c.url)
			file := func(kind string) string {
				return filepath.Join("refusals", strings.ReplaceAll(c.name, " ", "_")+"_"+kind+".golden")
			}
			compare(t, file("status"), mask.Replace(d.reason()))
			findings := d.doctor()
			var text strings.Builder
			for _, f := range findings {
				fmt.Fprintf(&text, "%s: %s\n  %s\n", f.Subject, f.Text, f.Mend)
			}
			compare(t, file("doctor"), mask.Replace(text.String()))
			if c.name == "missing rights" {
				d.mend(good.String(), findings)
			}
			if err := d.node.Stop(); err != nil {
				t.Error(err)
			}
			log, err := os.ReadFile(d.log)
			if err != nil {
				t.Fatal(err)
			}
			spotless(t, string(log))
			if n := bytes.Count(log, []byte("capture interrupted")); n != 1 {
				t.Errorf("the log tells it %d times, want once:\n%s", n, log)
			}
		})
	}
}

// A down is a mesh whose one database cannot be captured.
type down struct {
	t                   *testing.T
	node                *crash.Node
	manifest, data, log string
}

func startDown(t *testing.T, database string) *down {
	t.Helper()
	binary, err := builder.Binary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("SHOP_URL", database)
	dir := t.TempDir()
	d := &down{t: t, manifest: writeFile(t, filepath.Join(dir, "mesh.yaml"), shopManifest), data: filepath.Join(dir, "data"), log: filepath.Join(dir, "log")}
	args := append([]string{"up", "-f", d.manifest, "--data", d.data}, freePorts...)
	if d.node, err = crash.NewNode(crash.Config{Binary: binary, Args: args, Dir: dir, Log: d.log}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.node.Close() })
	if err := d.node.Start(); err != nil {
		t.Fatal(err)
	}
	return d
}

// reason is what the status says of an interruption, after several retries.
func (d *down) reason() string {
	d.t.Helper()
	var note string
	poll.Within(d.t, 30*time.Second, "a reason after several retries", func() bool {
		r := command(d.t, "status", "-f", d.manifest, "--data", d.data)
		_, note, _ = strings.Cut(r.out, "capture of ")
		spotless(d.t, r.out)
		var st rest.Status
		return note != "" && json.Unmarshal([]byte(command(d.t, "status", "-o", "json", "-f", d.manifest, "--data", d.data).out), &st) == nil &&
			st.Streams[0].Errors != nil && *st.Streams[0].Errors >= 3
	})
	return regexp.MustCompile(`since \S+:`).ReplaceAllString("capture of "+note, "since TIME:")
}

type finding struct{ Level, Subject, Text, Mend string }

// doctor gives what doctor finds wrong with the system.
func (d *down) doctor() (out []finding) {
	d.t.Helper()
	r := command(d.t, "doctor", "-o", "json", "-f", d.manifest, "--data", d.data)
	spotless(d.t, r.out+r.err)
	var report struct{ Findings []finding }
	if err := json.Unmarshal([]byte(r.out), &report); err != nil || r.code != exitFailed {
		d.t.Fatalf("doctor: exit code %d, %v\n%s%s", r.code, err, r.out, r.err)
	}
	for _, f := range report.Findings {
		if f.Level == "fail" {
			out = append(out, f)
		}
	}
	return out
}

// mend runs the SQL that doctor printed, as it is, and waits until the mesh is ready by itself.
func (d *down) mend(as string, findings []finding) {
	d.t.Helper()
	conn, err := pgx.Connect(d.t.Context(), as)
	if err != nil {
		d.t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(d.t.Context()))
	for _, f := range findings {
		if err := conn.PgConn().Exec(d.t.Context(), f.Mend).Close(); err != nil {
			d.t.Errorf("%s: %v", f.Mend, err)
		}
	}
	ready, cancel := context.WithTimeout(d.t.Context(), 30*time.Second)
	defer cancel()
	if _, err := d.node.Ready(ready); err != nil {
		d.t.Error(err)
	}
}

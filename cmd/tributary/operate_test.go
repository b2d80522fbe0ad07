package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/deploy/postgres/pgtest"
	"tributary/internal/crash"
	"tributary/node"
	"tributary/topics"
)

const shopManifest = `apiVersion: tributary/v1
mesh: shop
kafka:     { bootstrap: embedded }
registry:  { url: embedded }
views:     { store: sqlite }
analytics: { clickhouse: none }
topics:    { partitions: 2 }
---
system: shop
kind: postgres
connection: ${SHOP_URL}
owner: shop@acme.example
streams:
  item: { table: item }
---
entity: product
key: sku
owner: shop@acme.example
fields:
  sku:   { type: string }
  state: { type: "enum(on,off)" }
  price: { type: "decimal(12,2)" }
contributions:
  - from: shop.item
    key: row.sku
    set: { state: row.state, price: row.price }
`

// A shop is a running mesh over one table, with the command line beside it.
type shop struct {
	t       *testing.T
	conn    *pgx.Conn
	args    []string
	node    *crash.Node
	gateway string
	client  *http.Client
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{t: t, client: &http.Client{}}
	t.Cleanup(s.client.CloseIdleConnections)
	url := pgtest.Database(t, pg.Server(t))
	var err error
	if s.conn, err = pgx.Connect(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.conn.Close(context.Background()) })
	s.exec(`CREATE TABLE item (id int PRIMARY KEY, sku text, state text, price numeric(12,2));
		INSERT INTO item VALUES (1, 'A', 'on', 1), (2, 'B', 'on', 2)`)
	dir := t.TempDir()
	manifest := filepath.Join(dir, "mesh.yaml")
	if err := os.WriteFile(manifest, []byte(shopManifest), 0o600); err != nil {
		t.Fatal(err)
	}
	binary, err := builder.Binary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.args = []string{"-f", manifest, "--data", filepath.Join(dir, "data")}
	up := append([]string{"up", "--gateway-addr", "127.0.0.1:0", "--registry-addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0", "--kafka-addr", "127.0.0.1:0"}, s.args...)
	n, err := crash.NewNode(crash.Config{Binary: binary, Args: up, Env: []string{"SHOP_URL=" + url}, Dir: dir, Log: filepath.Join(dir, "log")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Logf("end of the node's log:\n%s", log[max(0, len(log)-4000):])
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	s.node = n
	s.start()
	return s
}

// start starts the mesh and waits until it is ready.
func (s *shop) start() {
	s.t.Helper()
	if err := s.node.Start(); err != nil {
		s.t.Fatal(err)
	}
	ready, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	addresses, err := s.node.Ready(ready)
	if err != nil {
		s.t.Fatal(err)
	}
	s.gateway = addresses["gateway"]
}

func (s *shop) exec(sql string) {
	s.t.Helper()
	if err := s.conn.PgConn().Exec(context.Background(), sql).Close(); err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
}

// run runs a command and gives its exit code and output.
func (s *shop) run(args ...string) (code int, stdout, stderr string) {
	s.t.Helper()
	var out, err bytes.Buffer
	code = execute(s.t.Context(), append(args, s.args...), &out, &err)
	return code, out.String(), err.String()
}

type letterList struct {
	Total   int           `json:"total"`
	Reasons []reasonCount `json:"reasons"`
	Letters []node.Letter `json:"letters"`
}

// letters lists the dead letters.
func (s *shop) letters(args ...string) (l letterList) {
	s.t.Helper()
	code, out, errs := s.run(append([]string{"dlq", "list", "-o", "json"}, args...)...)
	if code != exitFine {
		s.t.Fatalf("dlq list: exit %d: %s", code, errs)
	}
	if err := json.Unmarshal([]byte(out), &l); err != nil {
		s.t.Fatal(err)
	}
	return l
}

// get asks the gateway and gives "STATUS STATE BODY".
func (s *shop) get(path string) string {
	s.t.Helper()
	resp, err := s.client.Get(s.gateway + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return fmt.Sprintf("%d %s %s", resp.StatusCode, resp.Header.Get("Tributary-State"), body)
}

// until waits for an answer that holds all the texts.
func (s *shop) until(path string, texts ...string) {
	s.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for ; ; <-tick.C {
		got, ok := s.get(path), true
		for _, text := range texts {
			ok = ok && strings.Contains(got, text)
		}
		if ok {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s gives %s, want %q", path, got, texts)
		}
	}
}

// TestDeadLetters follows rows that do not fit through their whole life (I6, I10).
func TestDeadLetters(t *testing.T) {
	s := newShop(t)
	s.until("/v1/products/A", "200 LIVE", `"on"`)

	// A row that does not fit: neighbours pass, the last good value stays, and says so.
	s.exec("UPDATE item SET state = 'secret', price = 5 WHERE id = 1; UPDATE item SET price = 3 WHERE id = 2")
	s.until("/v1/products/A", "200 DEGRADED", `"on"`, `"1.00"`)
	s.until("/v1/products/B", "200 LIVE", `"3.00"`)
	l := s.letters()
	if l.Total != 1 || l.Letters[0].Entity != "product" || l.Letters[0].Stream != "shop.item" || l.Reasons[0].Count != 1 {
		t.Fatalf("dlq list gives %+v", l)
	}
	id := l.Letters[0].ID

	// A replay of a row that cannot succeed fails, is counted, and changes nothing.
	code, _, errs := s.run("dlq", "replay", id)
	if code != exitFailed || !strings.Contains(errs, "still held") {
		t.Errorf("replay: exit %d, %s", code, errs)
	}
	if l = s.letters(); l.Total != 1 || l.Letters[0].Replays != 1 || l.Letters[0].ID != id {
		t.Errorf("after a replay that failed dlq list gives %+v", l)
	}
	s.until("/v1/products/A", "200 DEGRADED", `"1.00"`)

	// The source mends the row.
	s.exec("UPDATE item SET state = 'off' WHERE id = 1")
	s.until("/v1/products/A", "200 LIVE", `"off"`, `"5.00"`)
	if l = s.letters(); l.Total != 0 {
		t.Errorf("after the row was mended dlq list gives %+v", l)
	}
	if l = s.letters("--all"); l.Total != 1 || l.Letters[0].How != "mended" {
		t.Errorf("after the row was mended dlq list --all gives %+v", l)
	}
	if code, out, _ := s.run("dlq", "replay", id); code != exitFine || !strings.Contains(out, "1 were resolved before") {
		t.Errorf("replay of a resolved one: exit %d, %s", code, out)
	}

	// An operator gives a row up.
	s.exec("UPDATE item SET state = 'odd', price = 9 WHERE id = 1")
	s.until("/v1/products/A", "200 DEGRADED", `"5.00"`)
	if code, out, errs := s.run("dlq", "discard", "--all", "--stream", "shop.item"); code != exitFine || !strings.HasPrefix(out, "1 discarded") {
		t.Errorf("discard: exit %d, %s%s", code, out, errs)
	}
	s.until("/v1/products/A", "200 LIVE", `"5.00"`)

	// A row whose entity is unknown marks the view, until it is gone.
	s.exec("INSERT INTO item VALUES (3, NULL, 'on', 1)")
	s.until("/v1/products", "200 DEGRADED")
	if code, out, errs := s.run("dlq", "show", s.letters().Letters[0].ID); code != exitFine || !strings.Contains(out, `"unplaced": true`) {
		t.Errorf("show: exit %d, %s%s", code, out, errs)
	}
	s.exec("DELETE FROM item WHERE id = 3")
	s.until("/v1/products", "200 LIVE")
	if l = s.letters("--all"); l.Total != 3 || l.Letters[0].How != "deleted" || l.Letters[1].How != "discarded" {
		t.Errorf("in the end dlq list --all gives %+v", l)
	}
}

// TestSnapshotCommands reads a stream anew by the command line, while rows change.
func TestSnapshotCommands(t *testing.T) {
	s := newShop(t)
	s.exec("UPDATE item SET price = 7 WHERE id = 1")
	var done sync.WaitGroup
	done.Go(func() { s.exec("UPDATE item SET price = 8 WHERE id = 2") })
	code, out, errs := s.run("snapshot", "start", "shop.item")
	done.Wait()
	if code != exitFine || out != "shop.item: 2 rows read, 0 deleted that were gone\n" {
		t.Errorf("snapshot start: exit %d, %s%s", code, out, errs)
	}
	s.until("/v1/products/A", "200 LIVE", `"7.00"`)
	s.until("/v1/products/B", "200 LIVE", `"8.00"`)
	code, out, _ = s.run("snapshot", "status")
	if code != exitFine || !strings.Contains(out, "shop.item      2  done") {
		t.Errorf("snapshot status: exit %d, %s", code, out)
	}
	if code, _, errs := s.run("snapshot", "cancel", "shop.item"); code != exitFailed || !strings.Contains(errs, "no repeated snapshot") {
		t.Errorf("snapshot cancel: exit %d, %s", code, errs)
	}
	if code, _, _ := s.run("snapshot", "start", "shop.nothing"); code != exitUsage {
		t.Errorf("snapshot of an unknown stream: exit %d", code)
	}
}

// TestTopicsCompact compacts the broker's folder between two runs: what the second one reads and
// writes is as if nothing had been.
func TestTopicsCompact(t *testing.T) {
	s := newShop(t)
	for i := range 100 {
		s.exec(fmt.Sprintf("UPDATE item SET price = %d WHERE id = 1", i))
	}
	s.until("/v1/products/A", "200 LIVE", `"99.00"`)
	if code, _, errs := s.run("topics", "compact"); code != exitFailed || !strings.Contains(errs, "in use by another") {
		t.Errorf("compact of a broker that runs: exit %d, %s", code, errs)
	}
	if err := s.node.Stop(); err != nil {
		t.Fatal(err)
	}
	code, out, errs := s.run("topics", "compact", "-o", "json")
	if code != exitFine {
		t.Fatalf("compact: exit %d, %s", code, errs)
	}
	var done []topics.Compaction
	if err := json.Unmarshal([]byte(out), &done); err != nil {
		t.Fatal(err)
	}
	raw := int64(0)
	for _, d := range done {
		if d.Topic == "shop.raw.shop.item" {
			raw += d.After
		}
	}
	if raw != 2 {
		t.Errorf("%d raw records are left, want one for each row: %+v", raw, done)
	}
	if err := os.RemoveAll(filepath.Join(s.args[3], "state")); err != nil { // all of it is read anew (I3)
		t.Fatal(err)
	}
	s.start()
	s.until("/v1/products/A", "200 LIVE", `"99.00"`)
	s.exec("UPDATE item SET price = 100 WHERE id = 1; DELETE FROM item WHERE id = 2")
	s.until("/v1/products/A", "200 LIVE", `"100.00"`)
	s.until("/v1/products/B", "404")
}

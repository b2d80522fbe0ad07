package postgres

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"tributary/deploy/postgres/pgtest"
)

// big makes a value that is kept out of line and does not compress away.
const big = `CREATE FUNCTION big(seed int) RETURNS text LANGUAGE sql AS $$ SELECT string_agg(md5((seed * 1000 + i)::text), '') FROM generate_series(1, 400) i $$;`

func TestUnchangedToastIsReadAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t, big+`CREATE TABLE t (id int PRIMARY KEY, n int, body text, more text);
		CREATE TABLE whole (id int PRIMARY KEY, n int, body text); ALTER TABLE whole REPLICA IDENTITY FULL;
		INSERT INTO t VALUES (1, 1, big(1), big(2)); INSERT INTO whole VALUES (1, 1, big(1))`, "t=t", "whole=whole")
	rec := newRecorder()
	resume := f.first(rec)
	// All of it happens before the stream begins: what is read again is a later state.
	f.exec(`UPDATE t SET n = 2`)
	f.exec(`UPDATE whole SET n = 2`)
	f.exec(`UPDATE t SET more = big(3)`)
	f.exec(`UPDATE t SET id = 2`)
	f.exec(`UPDATE t SET n = 3`)
	f.stream(resume, rec)
	changes := rec.untilChanges(t, 2+4)[2:]
	var got []string
	for _, c := range changes {
		v := rec.decode(t, c.Value)
		row, _ := flat(v["after"]).(map[string]any)
		got = append(got, fmt.Sprintf("%c %v n=%v body=%s more=%s minor=%d", c.Op, flat(rec.decode(t, c.Key)), row["n"], short(row["body"]), short(row["more"]), c.Minor))
	}
	one, three := short(text(t, f, "big(1)")), short(text(t, f, "big(3)"))
	wantTexts(t, got, []string{
		// The first two updates of key 1 find no row of it any more and are left out.
		"u map[id:1] n=2 body=" + one + " more=- minor=1",
		"d map[id:1] n=<nil> body=- more=- minor=1",
		"c map[id:2] n=2 body=" + one + " more=" + three + " minor=2",
		"u map[id:2] n=3 body=" + one + " more=" + three + " minor=1",
	})
}

func short(v any) string {
	s, ok := v.(string)
	if !ok {
		return "-"
	}
	return fmt.Sprintf("%.6s…%d", s, len(s))
}

func text(t *testing.T, f *fixture, expr string) (s string) {
	t.Helper()
	if err := f.conn.QueryRow(t.Context(), "SELECT "+expr).Scan(&s); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestToastConverges updates rows with out-of-line values at random, with a stream that runs
// behind, and compares the last state of every key with the table.
func TestToastConverges(t *testing.T) {
	t.Parallel()
	r := random(t)
	f := newFixture(t, big+`CREATE TABLE t (id int PRIMARY KEY, n int, body text, more text)`, "t=t")
	rec := newRecorder()
	f.stream(f.first(rec), rec)
	steps := []string{
		`INSERT INTO t VALUES (%[1]d, %[2]d, big(%[2]d), big(%[2]d + 1)) ON CONFLICT DO NOTHING`, `UPDATE t SET n = %[2]d WHERE id = %[1]d`,
		`UPDATE t SET n = %[2]d WHERE id = %[1]d`, `UPDATE t SET body = big(%[2]d) WHERE id = %[1]d`, `UPDATE t SET more = NULL WHERE id = %[1]d`,
		`DELETE FROM t WHERE id = %[1]d`, `UPDATE t SET id = %[1]d + 5 WHERE id = %[1]d AND NOT EXISTS (SELECT FROM t WHERE id = %[1]d + 5)`,
	}
	for range 60 {
		var sql []string
		for range 1 + r.IntN(4) {
			sql = append(sql, fmt.Sprintf(steps[r.IntN(len(steps))], 1+r.IntN(8), r.IntN(1000)))
		}
		f.exec("BEGIN; " + strings.Join(sql, "; ") + "; COMMIT")
	}
	f.exec(`INSERT INTO t VALUES (1000, 0, '', '')`)
	rec.until(t, "the last row", func([]recorded) bool {
		c := rec.changes()
		return len(c) > 0 && strings.Contains(rec.text(t, c[len(c)-1]), "id:1000")
	})
	got := map[string]string{}
	for _, c := range rec.changes() {
		key := fmt.Sprint(rec.decode(t, c.Key)["id"])
		row, ok := flat(rec.decode(t, c.Value)["after"]).(map[string]any)
		if !ok {
			delete(got, key)
			continue
		}
		got[key] = fmt.Sprintf("%v %v %v", row["n"], short(row["body"]), short(row["more"]))
	}
	rows, err := f.conn.Query(t.Context(), "SELECT id, n, body, more FROM t")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, n int
		var body, more *string
		if err := rows.Scan(&id, &n, &body, &more); err != nil {
			t.Fatal(err)
		}
		key, want := fmt.Sprint(id), fmt.Sprintf("%v %v %v", n, pointer(body), pointer(more))
		if got[key] != want {
			t.Errorf("key %s ended as %s, the table has %s", key, got[key], want)
		}
		delete(got, key)
	}
	if len(got) > 0 {
		t.Errorf("keys that the table does not have: %v", got)
	}
}

func pointer(s *string) string {
	if s == nil {
		return "-"
	}
	return short(*s)
}

// TestRereadWaitsUntilTheTransactionIsVisible holds a transaction between its commit record,
// which is decoded at once, and its visibility: a commit that waits for a standby is there.
func TestRereadWaitsUntilTheTransactionIsVisible(t *testing.T) {
	t.Parallel()
	srv := pgtest.Start(t)
	f := fixtureOn(t, pgtest.Database(t, srv), big+`CREATE TABLE t (id int PRIMARY KEY, n int, body text); INSERT INTO t VALUES (1, 1, big(1))`, "t=t")
	rec := newRecorder()
	f.stream(f.first(rec), rec)
	writer := fixtureOn(t, f.url, `SET synchronous_commit = on`, "t=t")
	want := short(text(t, f, "big(2)"))
	f.exec(`ALTER SYSTEM SET synchronous_standby_names = 'nobody'`)
	f.exec(`SELECT pg_reload_conf()`)
	committed := make(chan error, 1)
	go func() {
		committed <- writer.conn.PgConn().Exec(context.Background(), `SELECT pg_sleep(0.1); BEGIN; UPDATE t SET body = big(2); UPDATE t SET n = 2; COMMIT`).Close()
	}()
	// The first change came, the second cannot be complete yet: let the re-read look a few times.
	rec.untilChanges(t, 2)
	for range 20 {
		if n := len(rec.changes()); n != 2 {
			t.Fatalf("%d changes came before the transaction was visible", n)
		}
		f.exec(`SELECT pg_sleep(0.01)`)
	}
	f.exec(`ALTER SYSTEM RESET synchronous_standby_names`)
	f.exec(`SELECT pg_reload_conf()`)
	if err := <-committed; err != nil {
		t.Fatal(err)
	}
	row := flat(rec.decode(t, rec.untilChanges(t, 3)[2].Value)["after"]).(map[string]any)
	if row["n"] != 2 || short(row["body"]) != want {
		t.Errorf("the update came as n=%v body=%s, want body=%s", row["n"], short(row["body"]), want)
	}
}

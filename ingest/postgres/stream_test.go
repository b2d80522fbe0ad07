package postgres

import (
	"fmt"
	"strings"
	"testing"

	"tributary/ingest"
)

func texts(t *testing.T, r *recorder, changes []ingest.Change) []string {
	t.Helper()
	var out []string
	for _, c := range changes {
		out = append(out, r.text(t, c))
	}
	return out
}

func wantTexts(t *testing.T, got, want []string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestSnapshotThenStream(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `CREATE TABLE mara (id int PRIMARY KEY, name text); INSERT INTO mara VALUES (1, 'one'), (2, NULL)`, "material=public.mara")
	rec := newRecorder()
	resume := f.first(rec)
	wantTexts(t, texts(t, rec, rec.changes()), []string{"r map[id:1] → map[id:1 name:one]", "r map[id:2] → map[id:2 name:<nil>]"})
	f.stream(resume, rec)
	f.exec(`INSERT INTO mara VALUES (3, 'three')`)
	f.exec(`BEGIN; UPDATE mara SET name = 'uno' WHERE id = 1; UPDATE mara SET id = 20 WHERE id = 2; DELETE FROM mara WHERE id = 3; COMMIT`)
	read := rec.changes()[0].Major
	if cur, err := parseResume(resume); err != nil || read.Uint64() != uint64(cur.lsn)-1 {
		t.Errorf("rows stand at %x, the stream begins at %s: a commit right there must come behind them", read, resume)
	}
	changes := rec.untilChanges(t, 7)[2:]
	wantTexts(t, texts(t, rec, changes), []string{
		"c map[id:3] → map[id:3 name:three]",
		"u map[id:1] → map[id:1 name:uno]",
		"d map[id:2] → <nil>",
		"c map[id:20] → map[id:20 name:<nil>]",
		"d map[id:3] → <nil>",
	})
	for i, c := range changes {
		if want := []uint64{1, 1, 2, 3, 4}[i]; c.Minor != want {
			t.Errorf("change %d has minor %d, want %d", i, c.Minor, want)
		}
		if i > 0 && (changes[i-1].Major.Compare(c.Major) > 0) {
			t.Errorf("change %d: major coordinates fall", i)
		}
	}
}

func TestReplicaIdentities(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `
		CREATE TABLE whole (id int PRIMARY KEY, a text, b text); ALTER TABLE whole REPLICA IDENTITY FULL;
		CREATE TABLE keyless (a int, b text); ALTER TABLE keyless REPLICA IDENTITY FULL;
		CREATE TABLE indexed (id int PRIMARY KEY, code text NOT NULL, v int); CREATE UNIQUE INDEX by_code ON indexed (code);
		ALTER TABLE indexed REPLICA IDENTITY USING INDEX by_code;`,
		"whole=whole before", "keyless=keyless", "indexed=public.indexed")
	rec := newRecorder()
	f.stream(f.first(rec), rec)
	f.exec(`INSERT INTO whole VALUES (1, 'x', 'y'); UPDATE whole SET a = 'z' WHERE id = 1; UPDATE whole SET id = 2; DELETE FROM whole`)
	f.exec(`INSERT INTO keyless VALUES (NULL, 'n'); UPDATE keyless SET a = 5; DELETE FROM keyless`)
	f.exec(`INSERT INTO indexed VALUES (1, 'c', 1); UPDATE indexed SET id = 2; UPDATE indexed SET code = 'd'; DELETE FROM indexed`)
	changes := rec.untilChanges(t, 14)
	wantTexts(t, texts(t, rec, changes), []string{
		"c map[id:1] → map[a:x b:y id:1]",
		"u map[id:1] → map[a:z b:y id:1]",
		"d map[id:1] → <nil>",
		"c map[id:2] → map[a:z b:y id:2]",
		"d map[id:2] → <nil>",
		"c map[a:<nil> b:n] → map[a:<nil> b:n]",
		"d map[a:<nil> b:n] → <nil>",
		"c map[a:5 b:n] → map[a:5 b:n]",
		"d map[a:5 b:n] → <nil>",
		"c map[code:c] → map[code:c id:1 v:1]",
		"u map[code:c] → map[code:c id:2 v:1]",
		"d map[code:c] → <nil>",
		"c map[code:d] → map[code:d id:2 v:1]",
		"d map[code:d] → <nil>",
	})
	for i, want := range map[int]string{0: "<nil>", 1: "map[a:x b:y id:1]", 4: "map[a:z b:y id:2]", 10: "<nil>", 13: "map[code:d id:<nil> v:<nil>]"} {
		if got := fmt.Sprint(flat(rec.decode(t, changes[i].Value)["before"])); got != want {
			t.Errorf("before of change %d is %s, want %s", i, got, want)
		}
	}
}

func TestTruncateAndUnchangedKeyUpdate(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY REFERENCES a); CREATE TABLE other (id int)`, "a=a", "b=b")
	rec := newRecorder()
	f.stream(f.first(rec), rec)
	f.exec(`BEGIN; INSERT INTO a VALUES (1); TRUNCATE a, b, other; INSERT INTO a VALUES (2); COMMIT`)
	changes := rec.untilChanges(t, 4)
	wantTexts(t, texts(t, rec, changes), []string{"c map[id:1] → map[id:1]", "t", "t", "c map[id:2] → map[id:2]"})
	if changes[1].Stream == changes[2].Stream || changes[2].Minor != changes[1].Minor+1 {
		t.Errorf("truncates of streams %d and %d at minors %d and %d", changes[1].Stream, changes[2].Stream, changes[1].Minor, changes[2].Minor)
	}
}

func TestPartitionsComeAsTheirRoot(t *testing.T) {
	t.Parallel()
	if serverVersion(t) < 13 {
		f := newFixture(t, `CREATE TABLE sale (id int PRIMARY KEY) PARTITION BY HASH (id)`, "sale=sale")
		if _, err := f.source.Discover(t.Context()); err == nil || !strings.Contains(err.Error(), "from version 13 on") {
			t.Errorf("Discover says %v", err)
		}
		return
	}
	f := newFixture(t, `CREATE TABLE sale (id int, region text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
		CREATE TABLE sale_eu PARTITION OF sale FOR VALUES IN ('eu'); CREATE TABLE sale_us PARTITION OF sale FOR VALUES IN ('us');
		INSERT INTO sale VALUES (1, 'eu'), (2, 'us');
		CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (extra int) INHERITS (parent); INSERT INTO parent VALUES (1); INSERT INTO child VALUES (2, 3)`,
		"sale=sale", "parent=parent")
	rec := newRecorder()
	resume := f.first(rec)
	if n := len(rec.changes()); n != 3 {
		t.Fatalf("the snapshot has %d rows, want both of sale and the parent's own", n)
	}
	f.stream(resume, rec)
	f.exec(`INSERT INTO child VALUES (7, 7); UPDATE sale SET region = 'us' WHERE id = 1`)
	changes := rec.untilChanges(t, 5)[3:]
	for _, c := range changes {
		if c.Stream != 0 {
			t.Errorf("a change of stream %d came", c.Stream)
		}
	}
	wantTexts(t, texts(t, rec, changes), []string{"d map[id:1 region:eu] → <nil>", "c map[id:1 region:us] → map[id:1 region:us]"})
}

func TestColumnAddedAndDroppedMidStream(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `CREATE TABLE t (id int PRIMARY KEY, a int, gone text)`, "t=t")
	rec := newRecorder()
	f.stream(f.first(rec), rec)
	f.exec(`INSERT INTO t VALUES (1, 2, 'x')`)
	f.exec(`BEGIN; INSERT INTO t VALUES (2, 2, 'x'); ALTER TABLE t ADD COLUMN "Größe m" numeric(5,1) DEFAULT 1.5, DROP COLUMN gone; INSERT INTO t VALUES (3, 3, 9.0); COMMIT`)
	wantTexts(t, texts(t, rec, rec.untilChanges(t, 3)), []string{
		"c map[id:1] → map[a:2 gone:x id:1]",
		"c map[id:2] → map[a:2 gone:x id:2]",
		"c map[id:3] → map[Gr__e_m:9.0 a:3 id:3]",
	})
	rec.mu.Lock()
	defer rec.mu.Unlock()
	last := rec.contracts[len(rec.contracts)-1]
	for _, want := range []string{`"tributary.column":"Größe m"`, `"tributary.type":"numeric(5,1)"`} {
		if !strings.Contains(last.ValueSchema, want) {
			t.Errorf("the contract behind the change lacks %s: %s", want, last.ValueSchema)
		}
	}
	if last.KeySchema != rec.contracts[0].KeySchema {
		t.Error("the key's schema changed with a column that is no key")
	}
}

func TestOddNames(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `CREATE SCHEMA "Odd Schema"; CREATE TABLE "Odd Schema"."T.x" ("a b" int PRIMARY KEY, "a_b" int, "a-b" int, "1st" int, "sel""ect" text);
		INSERT INTO "Odd Schema"."T.x" VALUES (1, 2, 3, 4, 'q')`, `odd="Odd Schema"."T.x"`)
	rec := newRecorder()
	f.stream(f.first(rec), rec)
	f.exec(`UPDATE "Odd Schema"."T.x" SET "1st" = 5`)
	wantTexts(t, texts(t, rec, rec.untilChanges(t, 2)), []string{
		"r map[a_b_2:1] → map[_1st:4 a_b:2 a_b_2:1 a_b_3:3 sel_ect:q]",
		"u map[a_b_2:1] → map[_1st:5 a_b:2 a_b_2:1 a_b_3:3 sel_ect:q]",
	})
}

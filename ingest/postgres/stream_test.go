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
	f := newFixture(t, `CREATE TABLE mara (id int PRIMARY KEY, name text); INSERT INTO mara VALUES (1, 'one'), (2, NULL)`, "material=public.mara")
	rec := newRecorder()
	resume := f.first(rec)
	wantTexts(t, texts(t, rec, rec.changes()), []string{"r map[id:1] → map[id:1 name:one]", "r map[id:2] → map[id:2 name:<nil>]"})
	f.stream(resume, rec)
	f.exec(`INSERT INTO mara VALUES (3, 'three')`)
	f.exec(`BEGIN; UPDATE mara SET name = 'uno' WHERE id = 1; UPDATE mara SET id = 20 WHERE id = 2; DELETE FROM mara WHERE id = 3; COMMIT`)
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
	fmt.Fprintln(t.Output(), rec.decode(t, changes[0].Value))
}

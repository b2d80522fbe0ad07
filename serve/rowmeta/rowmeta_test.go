package rowmeta

import (
	"errors"
	"strings"
	"testing"
	"time"

	"tributary/mesh"
	"tributary/schemas"
	"tributary/serve/catalog"
	"tributary/serve/freshness"
	"tributary/sinks/views"
)

var epoch = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

func writer(t testing.TB, members ...Member) *Writer {
	t.Helper()
	erp := &mesh.System{Name: "erp"}
	s := &mesh.Stream{System: erp, Name: "a"}
	erp.Streams = []*mesh.Stream{s}
	e := &mesh.Entity{Name: "product", Plural: "products", Key: "id", Fields: []*mesh.Field{{Name: "id"}, {Name: "list_price"}}, Contributions: []*mesh.Block{{From: s}}}
	m := &mesh.Mesh{Systems: []*mesh.System{erp}, Entities: []*mesh.Entity{e}}
	c, err := catalog.New(m)
	if err != nil {
		t.Fatal(err)
	}
	tr := freshness.New(m, 1, func() time.Time { return epoch })
	if err := tr.Update("product", 0, []views.Frontier{{Stream: "erp.a", Through: epoch.Add(-time.Second)}}); err != nil {
		t.Fatal(err)
	}
	return &Writer{
		Opening: OpeningOf("_m"), Decode: FromSchemas, Specs: []Spec{{Entity: c.Entities[0], Bounds: freshness.BoundsOf(nil), Members: members}},
		Snapshots: []*freshness.Snapshot{tr.Snapshot("product")}, Now: epoch,
	}
}

func TestAppend(t *testing.T) {
	version := []Member{{As: "v", Kind: Version}, {As: "s", Kind: StateName}, {As: "d", Kind: DeadLetters}, {As: "at", Kind: VerifiedThrough}}
	for _, c := range []struct{ name, row, want string }{
		{"no mark", `{"a":1}`, `{"a":1}`},
		{"mark", `{"a":1,"_meta":{"_m":[0,"x",0,1,7,2,null,""]},"b":2}`, `{"a":1,"_meta":{"v":"1.0.7.2","s":"LIVE","d":0,"at":"2026-11-23T07:59:59Z"},"b":2}`},
		{"spaces", `{"_meta" : {"_m":[0, "x", 0, 1, 7, 2, null, ""] }}`, `{"_meta" : {"v":"1.0.7.2","s":"LIVE","d":0,"at":"2026-11-23T07:59:59Z"}}`},
		{"id with quotes", `{"_meta":{"_m":[0,"a\"],\\",0,1,7,2,null,""]}}`, `{"_meta":{"v":"1.0.7.2","s":"LIVE","d":0,"at":"2026-11-23T07:59:59Z"}}`},
		{"two marks", `[{"_m":[0,"x",0,1,7,2,null,""]},{"_m":[0,"x",0,1,8,0,null,""]}]`,
			`[{"v":"1.0.7.2","s":"LIVE","d":0,"at":"2026-11-23T07:59:59Z"},{"v":"1.0.8.0","s":"LIVE","d":0,"at":"2026-11-23T07:59:59Z"}]`},
		{"held", `{"_m":[0,"x",0,1,7,2,[{"stream":"erp.a","time":"2026-11-23T07:00:00Z"},{"stream":"erp.]","time":"2026-11-23T07:30:00Z"}],""]}`,
			`{"v":"1.0.7.2","s":"DEGRADED","d":2,"at":"2026-11-23T07:00:00Z"}`},
		{"held, in microseconds", `{"_m":[0,"x",0,1,7,2,[{"stream":"erp.a","time":1795417200000000}],""]}`, `{"v":"1.0.7.2","s":"DEGRADED","d":1,"at":"2026-11-23T07:00:00Z"}`},
	} {
		w := writer(t, version...)
		got, err := w.Append([]byte("> "), []byte(c.row))
		if err != nil || string(got) != "> "+c.want {
			t.Errorf("%s: %v\n got %s\nwant %s", c.name, err, got, c.want)
		}
	}
}

func TestAppendWithout(t *testing.T) {
	for row, want := range map[string]string{
		`{"_meta":{"_m":[0,"x",0,1,7,2,null,""]},"b":2}`:    `{"b":2}`,
		`{"_meta" : {"_m":[0,"x",0,1,7,2,null,""]}, "b":2}`: `{"b":2}`,
		`{"_meta":{"_m":[0,"x",0,1,7,2,null,""]}}`:          `{}`,
	} {
		w := writer(t)
		got, err := w.AppendWithout(nil, []byte(row))
		if err != nil || string(got) != want || w.Version.Offset != 7 || w.Seen.State != freshness.Live {
			t.Errorf("%s: %s %v %+v", row, got, err, w)
		}
	}
}

func TestProvenance(t *testing.T) {
	w := writer(t, Member{As: "f", Kind: Fields, Names: Names{All: true}, Sub: []Member{
		{As: "n", Kind: Name}, {As: "s", Kind: Stream}, {As: "y", Kind: System}, {As: "at", Kind: ChangedAt}, {As: "c", Kind: Conflict}}})
	blob := schemas.AppendMeta(nil, &schemas.Meta{
		Sources: []schemas.SourceRef{{Stream: "erp.a", SourceTime: epoch.UnixMicro()}, {Stream: "erp.a", SourceTime: epoch.Add(time.Hour).UnixMicro()}},
		Fields: []schemas.Provenance{
			{Field: "list_price", Rule: "owner", Winner: 0, Conflict: true}, {Field: "id", Rule: "sum", Winner: -1, Inputs: []int32{0, 1, 9, -4}}, {Field: "gone", Winner: 9},
		},
	})
	row := `{"_m":[0,"x",0,1,7,2,null,"` + hexOf(blob) + `"]}`
	const want = `{"f":[{"n":"listPrice","s":"erp.a","y":"erp","at":"2026-11-23T08:00:00Z","c":true},` +
		`{"n":"id","s":null,"y":null,"at":"2026-11-23T09:00:00Z","c":false},{"n":"gone","s":null,"y":null,"at":null,"c":false}]}`
	if got, err := w.Append(nil, []byte(row)); err != nil || string(got) != want {
		t.Errorf("%v\n got %s\nwant %s", err, got, want)
	}
	w.Specs[0].Members[0].Names = Names{List: []string{"id"}}
	if got, err := w.Append(nil, []byte(row)); err != nil || strings.Contains(string(got), "listPrice") || !strings.Contains(string(got), `"id"`) {
		t.Errorf("limited to id: %s %v", got, err)
	}
	if _, err := w.Append(nil, []byte(`{"_m":[0,"x",0,1,7,2,null,"zz"]}`)); !errors.Is(err, ErrMark) {
		t.Errorf("broken hex: %v", err)
	}
	if _, err := w.Append(nil, []byte(`{"_m":[0,"x",0,1,7,2,null,"00"]}`)); !errors.Is(err, schemas.ErrShort) {
		t.Errorf("short body: %v", err)
	}
}

func hexOf(b []byte) string {
	const digits = "0123456789abcdef"
	var s strings.Builder
	for _, c := range b {
		s.WriteByte(digits[c>>4])
		s.WriteByte(digits[c&15])
	}
	return s.String()
}

// FuzzAppend: a broken mark is an error, never a panic.
func FuzzAppend(f *testing.F) {
	for _, s := range []string{`0,"x",0,1,7,2,null,""]}`, `5,"x",0,1,7,2,null,""]}`, `0,"x`, `0,"x",0,1,7,2,[{"stream":"a","time":{}}],""]}`, `0,"x",0,1,7,2,[[,""]}`, ``, `-1`, `0,"\`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, mark string) {
		w := writer(t, Member{As: "v", Kind: Version}, Member{As: "f", Kind: Fields, Names: Names{All: true}, Sub: []Member{{As: "n", Kind: Name}}})
		_, _ = w.Append(nil, []byte(`{"_m":[`+mark))
		_, _ = w.AppendWithout(nil, []byte(`{"_m":[`+mark))
	})
}

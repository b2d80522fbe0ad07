package conformance

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tributary/mesh"
	"tributary/sinks/views"
)

// sampled is an entity whose fields take values of few, so that ties, nulls and hits abound.
// Its name says the type of its key.
func sampled(key mesh.Kind) (*mesh.Entity, map[string][]value) {
	keyType := mesh.Type{Kind: key, Precision: 9, Scale: 2}
	e := &mesh.Entity{Name: "by_" + key.String(), Key: "id", Fields: []*mesh.Field{field("id", keyType)}}
	samples := map[string][]value{}
	add := func(f *mesh.Field, values ...value) {
		e.Fields = append(e.Fields, f)
		samples[f.Name] = values
	}
	add(field("int", mesh.Type{Kind: mesh.Int}), int64(-1), int64(0), int64(7), int64(math.MaxInt64), int64(math.MinInt64))
	add(field("float", mesh.Type{Kind: mesh.Float}), math.NaN(), math.Inf(1), math.Inf(-1), 0.1, -2.5, 1e300, 3.0)
	add(field("bool", mesh.Type{Kind: mesh.Bool}), true, false)
	add(field("decimal", mesh.Type{Kind: mesh.Decimal, Precision: 12, Scale: 2}), "0.00", "9.50", "9.51", "-9.50", "9999999999.99", "10.00")
	add(field("wide", mesh.Type{Kind: mesh.Decimal, Precision: 38, Scale: 4}), "0.0000", "-0.0001", "9.5000", "10.0000", "-10.0000",
		"9999999999999999999999999999999999.9999", "-9999999999999999999999999999999999.9999")
	add(field("timestamp", mesh.Type{Kind: mesh.Timestamp}), "2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000001Z", "1969-12-31T23:59:59.5Z")
	add(field("date", mesh.Type{Kind: mesh.Date}), "2026-01-31", "1969-12-31", "2024-02-29")
	add(field("bytes", mesh.Type{Kind: mesh.Bytes}), "", "AA==", "/w==", "AP8=")
	add(field("string", mesh.Type{Kind: mesh.String}), "", "a", "A", "ab", "ä", "a%", "a_", "日本", "😀", "a\"\\'b")
	add(field("uuid", mesh.Type{Kind: mesh.UUID}), "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "00000000-0000-0000-0000-000000000000")
	for _, name := range []string{"string", "int", "float", "decimal", "wide", "bytes", "timestamp"} {
		f := *e.Field(name)
		f.Name, f.Localized = "localized_"+name, true
		add(&f, samples[name]...)
	}
	return e, samples
}

// drawRecords draws rows with distinct keys.
func drawRecords(rt *rapid.T, e *mesh.Entity, samples map[string][]value) []record {
	records := make([]record, rapid.IntRange(0, 40).Draw(rt, "rows"))
	for i := range records {
		r := record{}
		switch e.Fields[0].Type.Kind {
		case mesh.Int:
			r["id"] = int64(i*7%41 - 20)
		case mesh.Decimal:
			r["id"] = fmt.Sprintf("%d.50", i*7%41-20)
		default:
			r["id"] = fmt.Sprintf("%c%d", 'a'+i*7%26, i)
		}
		for _, f := range e.Fields[1:] {
			if f.Localized {
				r[f.Name] = drawLocales(rt, samples[f.Name])
			} else {
				r[f.Name] = drawValue(rt, samples[f.Name])
			}
		}
		records[i] = r
	}
	return records
}

func drawValue(rt *rapid.T, samples []value) value {
	if i := rapid.IntRange(-1, len(samples)-1).Draw(rt, "sample"); i >= 0 {
		return samples[i]
	}
	return nil
}

var localeNames = []string{"de", "en-GB", "0"}

func drawLocales(rt *rapid.T, samples []value) value {
	if rapid.IntRange(0, 4).Draw(rt, "no locales") == 0 {
		return nil
	}
	l := locales{}
	for _, name := range localeNames {
		if v := drawValue(rt, samples); v != nil {
			l[name] = v
		}
	}
	return l
}

// finer holds arguments between stored values.
var finer = map[string][]value{
	"decimal":   {"9.505", "-9.505", "9.5", "99999999999999999999999", "-99999999999999999999999", "0.000"},
	"wide":      {"9.50005", "-0.00005", "99999999999999999999999999999999999999999", "-99999999999999999999999999999999999999999"},
	"timestamp": {"2026-01-31T12:00:00.0000005Z", "1969-12-31T23:59:59.4999999Z", "2026-01-31T13:00:00+01:00"},
}

func drawTest(rt *rapid.T, e *mesh.Entity, samples map[string][]value, depth int) *test {
	ops := []views.CondOp{views.Eq, views.Ne, views.Gt, views.Gte, views.Lt, views.Lte, views.In, views.IsNull, views.Contains, views.StartsWith}
	if depth > 0 {
		ops = append(ops, views.And, views.Or, views.Not)
	}
	w := &test{op: rapid.SampledFrom(ops).Draw(rt, "op")}
	if w.op <= views.Not {
		for range rapid.IntRange(0, 3).Draw(rt, "conds") {
			w.tests = append(w.tests, drawTest(rt, e, samples, depth-1))
		}
		return w
	}
	fields := e.Fields[1:]
	if w.op == views.Contains || w.op == views.StartsWith {
		fields = []*mesh.Field{e.Field("string"), e.Field("localized_string"), e.Field("uuid")}
	}
	w.field = rapid.SampledFrom(fields).Draw(rt, "field")
	if w.field.Localized {
		w.locale = rapid.SampledFrom(append(localeNames, "fr", `x"y`)).Draw(rt, "locale")
	}
	pool := append(slices.Clone(samples[w.field.Name]), finer[strings.TrimPrefix(w.field.Name, "localized_")]...)
	switch w.op {
	case views.IsNull:
		w.arg = rapid.Bool().Draw(rt, "null")
	case views.In:
		w.arg = rapid.SliceOfN(rapid.SampledFrom(pool), 0, 3).Draw(rt, "list")
	default:
		w.arg = drawValue(rt, pool)
	}
	return w
}

func drawOrder(rt *rapid.T, e *mesh.Entity) []ordering {
	var out []ordering
	for range rapid.IntRange(0, 3).Draw(rt, "orders") {
		o := ordering{field: rapid.SampledFrom(e.Fields).Draw(rt, "order by"), desc: rapid.Bool().Draw(rt, "desc")}
		if o.field.Localized {
			o.locale = rapid.SampledFrom(localeNames).Draw(rt, "order locale")
		}
		out = append(out, o)
	}
	return out
}

// testPaging compares random filters, orders and pages with the model: pages put together are
// the whole sorted list. rapid prints the seed and how to repeat a failure.
func testPaging(t *testing.T, f *fixture) {
	for _, key := range []mesh.Kind{mesh.String, mesh.Int, mesh.Decimal} {
		e, samples := sampled(key)
		f.define(e)
		var stored []record
		rapid.Check(t, func(rt *rapid.T) {
			if len(stored) == 0 || rapid.IntRange(0, 9).Draw(rt, "new rows") == 0 {
				records := drawRecords(rt, e, samples)
				f.replace(e, stored, records)
				stored = records
			}
			checkPages(rt, f, e, stored, samples)
		})
	}
}

// replace deletes the old rows and applies the new.
func (f *fixture) replace(e *mesh.Entity, old, records []record) {
	var rows []views.Row
	for _, r := range old {
		row := f.row(e, r)
		row.Deleted, row.Values = true, nil
		rows = append(rows, row)
	}
	for _, r := range records {
		rows = append(rows, f.row(e, r))
	}
	f.apply(e, rows...)
}

func checkPages(rt *rapid.T, f *fixture, e *mesh.Entity, stored []record, samples map[string][]value) {
	var where *test
	var args []any
	q := &views.Query{Entity: e, Select: []views.Item{{As: "id", Field: e.Field("id")}}}
	if rapid.Bool().Draw(rt, "filtered") {
		where = drawTest(rt, e, samples, 2)
		q.Where = where.cond(&args)
	}
	order := drawOrder(rt, e)
	for _, o := range order {
		by := views.Order{Field: o.field, Desc: o.desc}
		if o.field.Localized {
			by.Locale = add(&args, o.locale)
		}
		q.Order = append(q.Order, by)
	}
	var want []string
	for _, r := range sorted(e, stored, where, order) {
		want = append(want, text(r["id"]))
	}
	q.First, q.After = add(&args, nil), add(&args, nil)
	statement, err := f.store.Prepare(f.t.Context(), q)
	if err != nil {
		rt.Fatalf("prepare: %v", err)
	}
	size := rapid.IntRange(1, 12).Draw(rt, "page size")
	got := pages(rt, f, statement, args, size)
	if !slices.Equal(got, want) {
		rt.Fatalf("pages of %d\n got %q\nwant %q", size, got, want)
	}
	if n, err := statement.Count(f.t.Context(), args); err != nil || n != int64(len(want)) {
		rt.Fatalf("count %d, %v, want %d", n, err, len(want))
	}
}

// pages reads page by page and gives the ids; the last two arguments are First and After.
func pages(rt *rapid.T, f *fixture, s views.Statement, args []any, size int) []string {
	var got []string
	first, after := len(args)-2, len(args)-1
	args[first] = int64(size)
	for {
		rows, cursors, err := run(f.t.Context(), s, args)
		if err != nil {
			rt.Fatalf("run: %v", err)
		}
		for _, row := range rows {
			id := strings.TrimSuffix(strings.TrimPrefix(row, `{"id":`), `}`)
			got = append(got, strings.Trim(id, `"`))
		}
		if len(rows) > size {
			rt.Fatalf("a page of %d has %d rows", size, len(rows))
		}
		if len(rows) < size {
			return got
		}
		args[after] = cursors[len(cursors)-1]
	}
}

// testBadArguments gives arguments that are not what the query needs.
func testBadArguments(t *testing.T, f *fixture) {
	e, _ := sampled(mesh.String)
	f.define(e)
	f.insert(e, map[string]value{"id": "a"})
	for _, c := range []struct {
		field string
		arg   any
	}{
		{"int", "x"}, {"int", 1.5}, {"int", "9223372036854775808"}, {"int", true}, {"float", "x"}, {"bool", "x"}, {"bool", int64(1)},
		{"decimal", "9,5"}, {"decimal", ""}, {"decimal", "."}, {"decimal", "--1"}, {"decimal", "1e3"}, {"decimal", "NaN"}, {"wide", "x"},
		{"uuid", "x"}, {"timestamp", "2026-01-31"}, {"date", "31.1.2026"}, {"bytes", "?"}, {"string", int64(1)}, {"string", []string{"a"}}, {"string", struct{}{}},
	} {
		q := &views.Query{Entity: e, Where: &views.Cond{Op: views.Eq, Field: e.Field(c.field), Arg: 1}}
		if _, _, err := run(t.Context(), f.prepare(q), []any{c.arg}); !errors.Is(err, views.ErrArgument) {
			t.Errorf("%s = %v: got %v, want ErrArgument", c.field, c.arg, err)
		}
	}
	paged := f.prepare(&views.Query{Entity: e, Order: []views.Order{{Field: e.Field("int")}}, First: 1, After: 2})
	for _, cursor := range []any{"", "x", "{}", "[]", "[1]", `[1,"a","b"]`, `["a","a"]`, `[1,2]`, `[1.5,"a"]`, `[1,"a"] x`, `[[1],"a"]`, int64(1)} {
		if _, _, err := run(t.Context(), paged, []any{int64(1), cursor}); !errors.Is(err, views.ErrArgument) {
			t.Errorf("cursor %v: got %v, want ErrArgument", cursor, err)
		}
	}
	for _, args := range [][]any{{}, {int64(1)}, {"1", nil}} {
		if _, _, err := run(t.Context(), paged, args); !errors.Is(err, views.ErrArgument) {
			t.Errorf("arguments %v: got %v, want ErrArgument", args, err)
		}
	}
}

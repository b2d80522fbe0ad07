package conformance

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"tributary/mesh"
	"tributary/sinks/views"
	"tributary/topics"
)

// product is a small entity for tests of writing.
func product() *mesh.Entity {
	return &mesh.Entity{Name: "product", Plural: "products", Key: "sku", Fields: []*mesh.Field{
		field("sku", mesh.Type{Kind: mesh.String}), field("stock", mesh.Type{Kind: mesh.Int}),
	}}
}

// testVersions proves I9: only a higher version changes a row or a tombstone.
func testVersions(t *testing.T, f *fixture) {
	e := product()
	f.define(e)
	q := &views.Query{Entity: e, Select: all(e, "stock")}
	rising := []views.Version{
		{Generation: 1, Partition: 0, Offset: 5}, {Generation: 1, Partition: 0, Offset: 5, N: 1},
		{Generation: 1, Partition: 0, Offset: 1 << 40}, {Generation: 1, Partition: 1, Offset: 0, N: math.MaxUint32},
		{Generation: 2, Partition: 0, Offset: 0}, {Generation: 256, Partition: 0, Offset: 0},
	}
	at := func(v views.Version, stock int64, deleted bool) views.Row {
		r := f.row(e, map[string]value{"sku": "A", "stock": stock})
		r.Version, r.Deleted = v, deleted
		if deleted {
			r.Values = nil
		}
		return r
	}
	for i, v := range rising {
		f.apply(e, at(v, int64(i), false))
		for _, lower := range rising[:i+1] {
			f.apply(e, at(lower, 99, false))
			f.apply(e, at(lower, 0, true))
		}
		f.expect(f.rows(q), `{"stock":`+text(int64(i))+`}`)
	}
	top := rising[len(rising)-1]
	top.N++
	f.apply(e, at(top, 0, true))
	for _, v := range append(rising, top) {
		f.apply(e, at(v, 99, false))
	}
	f.expect(f.rows(q)) // a late older record does not bring it back
	top.N++
	f.apply(e, at(top, 7, false))
	f.expect(f.rows(q), `{"stock":7}`)
	below := top
	below.N--
	f.apply(e, at(below, 0, true), at(below, 3, false))
	f.expect(f.rows(q), `{"stock":7}`)
}

// testForget lets tombstones go.
func testForget(t *testing.T, f *fixture) {
	e := product()
	f.define(e)
	q := &views.Query{Entity: e, Select: all(e, "stock")}
	old, deleted := f.row(e, map[string]value{"sku": "A", "stock": int64(1)}), f.row(e, map[string]value{"sku": "A"})
	deleted.Deleted, deleted.Values = true, nil
	forget := func(before time.Time) {
		if err := f.store.Apply(t.Context(), views.Batch{Entity: e, Forget: before}); err != nil {
			t.Fatal(err)
		}
	}
	f.apply(e, deleted)
	forget(time.Now().Add(-time.Hour))
	f.apply(e, old)
	f.expect(f.rows(q))
	forget(time.Now().Add(time.Hour))
	f.apply(e, old)
	f.expect(f.rows(q), `{"stock":1}`)
}

// testProgress reads back offsets and frontiers, an entity's own only.
func testProgress(t *testing.T, f *fixture) {
	e, other := product(), everyType()
	f.define(e, other)
	p, err := f.store.Progress(t.Context(), e.Name)
	if err != nil || len(p.Offsets)+len(p.Frontiers) > 0 {
		t.Fatalf("progress of an empty view: %v, %v", p, err)
	}
	position := func(n uint64) topics.Position { return topics.MakePosition(1, 0, topics.MajorOf(n), n) }
	through := time.Date(2026, 1, 31, 12, 0, 0, 123456789, time.UTC)
	first := views.Batch{Entity: e,
		Offsets:   []views.Offset{{Topic: "t", Partition: 0, Next: 5}, {Topic: "t", Partition: 1, Next: 1 << 40}},
		Frontiers: []views.Frontier{{Partition: 0, Stream: "erp.material", Position: position(3)}, {Partition: 1, Stream: "erp.material", Through: through, Position: position(4)}},
	}
	second := views.Batch{Entity: e,
		Offsets:   []views.Offset{{Topic: "t", Partition: 0, Next: 9}},
		Frontiers: []views.Frontier{{Partition: 0, Stream: "erp.material", Through: through, Position: position(8)}, {Partition: 1, Stream: "erp.material", Position: position(9)}},
	}
	for _, b := range []views.Batch{first, second, {Entity: other, Offsets: []views.Offset{{Topic: "u", Next: 1}}}} {
		if err := f.store.Apply(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	p, err = f.store.Progress(t.Context(), e.Name)
	if err != nil {
		t.Fatal(err)
	}
	if want := []views.Offset{second.Offsets[0], first.Offsets[1]}; !slices.Equal(p.Offsets, want) {
		t.Errorf("offsets %v, want %v", p.Offsets, want)
	}
	if !slices.EqualFunc(p.Frontiers, second.Frontiers, func(a, b views.Frontier) bool {
		return a.Partition == b.Partition && a.Stream == b.Stream && a.Position == b.Position && a.Through.Equal(b.Through) && a.Through.IsZero() == b.Through.IsZero()
	}) {
		t.Errorf("frontiers %v, want %v", p.Frontiers, second.Frontiers)
	}
}

// testDefine widens an entity, and lets a field go and come back.
func testDefine(t *testing.T, f *fixture) {
	e := product()
	f.define(e)
	f.insert(e, map[string]value{"sku": "A", "stock": int64(1)})
	narrow := f.prepare(&views.Query{Entity: e, Select: all(e, "stock")})

	wide := product()
	wide.Fields = append(wide.Fields, field("price", mesh.Type{Kind: mesh.Decimal, Precision: 9, Scale: 2}))
	f.define(wide)
	got, _, err := run(t.Context(), narrow, nil)
	if err != nil {
		t.Fatalf("a statement prepared before the entity was widened: %v", err)
	}
	f.expect(got, `{"stock":1}`)
	f.expect(f.rows(&views.Query{Entity: wide, Select: all(wide, "sku", "price")}), `{"sku":"A","price":null}`)
	f.insert(wide, map[string]value{"sku": "A", "stock": int64(2), "price": "3"})

	wider := product()
	wider.Fields = append(wider.Fields, field("price", mesh.Type{Kind: mesh.Decimal, Precision: 14, Scale: 2}))
	f.define(wider)
	f.expect(f.rows(&views.Query{Entity: wider, Select: all(wider, "stock", "price")}), `{"stock":2,"price":"3.00"}`)

	f.define(e)
	f.insert(e, map[string]value{"sku": "A", "stock": int64(3)})
	f.define(wider)
	f.expect(f.rows(&views.Query{Entity: wider, Select: all(wider, "stock", "price")}), `{"stock":3,"price":null}`)
}

// testDefineChanged refuses what cannot be done in place.
func testDefineChanged(t *testing.T, f *fixture) {
	e := product()
	f.define(e)
	f.insert(e, map[string]value{"sku": "A", "stock": int64(1)})
	change := func(edit func(e *mesh.Entity)) {
		changed := product()
		edit(changed)
		if err := f.store.Define(t.Context(), []*mesh.Entity{changed}); !errors.Is(err, views.ErrChanged) {
			t.Errorf("got %v, want ErrChanged", err)
		}
	}
	change(func(e *mesh.Entity) { e.Fields[1].Type = mesh.Type{Kind: mesh.String} })
	change(func(e *mesh.Entity) { e.Fields[1].Type = mesh.Type{Kind: mesh.Decimal, Precision: 9, Scale: 2} })
	change(func(e *mesh.Entity) { e.Fields[1].Localized = true })
	change(func(e *mesh.Entity) { e.Key = "stock" })
	f.expect(f.rows(&views.Query{Entity: e, Select: all(e, "sku", "stock")}), `{"sku":"A","stock":1}`)
}

// testUndefined uses entities and fields that the store was not given.
func testUndefined(t *testing.T, f *fixture) {
	e := product()
	if _, err := f.store.Prepare(t.Context(), &views.Query{Entity: e, Select: all(e, "sku")}); !errors.Is(err, views.ErrUndefined) {
		t.Errorf("prepare: got %v, want ErrUndefined", err)
	}
	if err := f.store.Apply(t.Context(), views.Batch{Entity: e}); !errors.Is(err, views.ErrUndefined) {
		t.Errorf("apply: got %v, want ErrUndefined", err)
	}
	f.define(e)
	stranger := field("stranger", mesh.Type{Kind: mesh.String})
	if _, err := f.store.Prepare(t.Context(), &views.Query{Entity: e, Select: []views.Item{{As: "x", Field: stranger}}}); !errors.Is(err, views.ErrUndefined) {
		t.Errorf("prepare of an unknown field: got %v, want ErrUndefined", err)
	}
}

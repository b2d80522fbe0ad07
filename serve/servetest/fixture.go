// Package servetest is a small mesh with rows in a real view store, for the gateway's tests.
package servetest

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tributary/mesh"
	"tributary/schemas"
	"tributary/serve/freshness"
	"tributary/sinks/views"
	"tributary/sinks/views/sqlite"
	"tributary/topics"
)

// Partitions of the view topics.
const Partitions = 4

// Manifest is the mesh.
const Manifest = `apiVersion: tributary/v1
mesh: acme
---
system: erp
kind: postgres
connection: postgres://localhost/erp
owner: finance@acme.example
streams:
  material: { table: public.material }
---
system: pim
kind: postgres
connection: postgres://localhost/pim
owner: commerce@acme.example
streams:
  product: { table: public.product }
  variant: { table: public.variant }
  brand:   { table: public.brand }
---
entity: product
key: sku
owner: commerce@acme.example
description: What is sold.
fields:
  sku:        { type: string }
  name:       { type: string, localized: true, owner: pim, description: The title in the shop }
  price:      { type: "decimal(12,2)", owner: erp, required: true, freshness: { warn: 30s, error: 5m } }
  stock:      { type: int, owner: erp }
  big_number: { type: int, owner: erp }
  status:     { type: "enum(active,phaseout)", owner: erp }
  shape:      { type: "enum(large,small)", owner: pim, deprecated: use status }
  ean:        { type: string, unique: true, owner: pim }
  weight:     { type: float, owner: pim }
  listed:     { type: bool, owner: pim }
  changed:    { type: timestamp, owner: pim }
  since:      { type: date, owner: pim }
  token:      { type: uuid, owner: pim }
  extra:      { type: json, owner: pim }
  picture:    { type: bytes, owner: pim }
  tags:       { type: list<string>, owner: pim }
  brand:      { type: string, owner: pim }
relations:
  variants:  { entity: variant, on: { product: sku } }
  maker:     { entity: brand, on: { id: brand } }
contributions:
  - from: erp.material
    key: row.matnr
    set: { price: row.netpr, stock: row.labst, big_number: row.big, status: row.status }
  - from: pim.product
    key: row.identifier
    set:
      name: "{row.locale: row.title}"
      shape: row.shape
      ean: row.ean
      weight: row.weight
      listed: row.listed
      changed: row.changed
      since: row.since
      token: row.token
      extra: row.extra
      picture: row.picture
      tags: row.tags
      brand: row.brand
---
entity: variant
key: id
owner: commerce@acme.example
fields:
  id:      { type: int }
  product: { type: string, required: true }
  colour:  { type: string }
  stock:   { type: int }
relations:
  parent: { entity: product, on: { sku: product } }
contributions:
  - from: pim.variant
    key: row.id
    set: { product: row.product, colour: row.colour, stock: row.stock }
---
entity: brand
key: id
owner: commerce@acme.example
fields:
  id:   { type: string }
  name: { type: string }
contributions:
  - from: pim.brand
    key: row.id
    set: { name: row.name }
`

// Mesh parses the manifest.
func Mesh(t testing.TB) *mesh.Mesh {
	t.Helper()
	m, err := mesh.Parse([]mesh.File{{Name: "mesh.yaml", Text: []byte(Manifest)}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A Fixture is the mesh with a store and a tracker, whose clock stands still.
type Fixture struct {
	Mesh    *mesh.Mesh
	Store   views.Store
	Tracker *freshness.Tracker
	Now     time.Time

	offset int64
}

// Epoch is where the clock stands at first.
var Epoch = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

// New makes a fixture with an empty store, closed when the test ends.
func New(t testing.TB) *Fixture {
	t.Helper()
	store, err := sqlite.Open(sqlite.Options{Path: filepath.Join(t.TempDir(), "views.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
	f := &Fixture{Mesh: Mesh(t), Store: store, Now: Epoch}
	if err := store.Define(t.Context(), f.Mesh.Entities); err != nil {
		t.Fatal(err)
	}
	f.Tracker = freshness.New(f.Mesh, Partitions, func() time.Time { return f.Now })
	return f
}

// Entity gives an entity by its name.
func (f *Fixture) Entity(name string) *mesh.Entity {
	for _, e := range f.Mesh.Entities {
		if e.Name == name {
			return e
		}
	}
	return nil
}

// Verify sets the frontier of all partitions of all views for a stream.
func (f *Fixture) Verify(t testing.TB, stream string, through time.Time) {
	t.Helper()
	for _, e := range f.Mesh.Entities {
		for p := range int32(Partitions) {
			if err := f.Tracker.Update(e.Name, p, []views.Frontier{{Partition: p, Stream: stream, Through: through}}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// VerifyAll verifies all streams five seconds before the clock.
func (f *Fixture) VerifyAll(t testing.TB) {
	t.Helper()
	for _, s := range f.Tracker.Streams() {
		f.Verify(t, s, f.Now.Add(-5*time.Second))
	}
}

// Values are a row's values by field: string, int64, float64, bool, []string, and
// map[string]string for localized fields; decimals are given unscaled, times in µs, dates in
// days, as int64.
type Values map[string]any

// Row makes the next row of an entity.
func (f *Fixture) Row(e *mesh.Entity, id string, values Values) views.Row {
	f.offset++
	p := topics.Partition([]byte(id), Partitions)
	r := views.Row{ID: id, Partition: p, Version: views.Version{Generation: 1, Partition: p, Offset: f.offset}, Meta: f.meta(e, p, values)}
	for _, field := range e.Fields {
		r.Values = append(r.Values, encode(field, values[field.Name]))
	}
	return r
}

// Put writes rows.
func (f *Fixture) Put(t testing.TB, entity string, rows ...views.Row) {
	t.Helper()
	if err := f.Store.Apply(t.Context(), views.Batch{Entity: f.Entity(entity), Rows: rows}); err != nil {
		t.Fatal(err)
	}
}

// meta is the provenance of a row: all from the first stream, a conflict on price with the second.
func (f *Fixture) meta(e *mesh.Entity, partition int32, values Values) []byte {
	m := schemas.Meta{Generation: 1, Partition: partition, Offset: f.offset}
	for i, s := range e.Streams() {
		m.Sources = append(m.Sources, schemas.SourceRef{Stream: s.ID(), Block: s.ID(), SourceKey: "{\"matnr\":1}",
			Position:   topics.MakePosition(1, 0, topics.MajorOf(0x16B374D848), uint64(i)),
			SourceTime: Epoch.Add(-time.Hour).UnixMicro(), CommitTime: Epoch.Add(-time.Hour).UnixMicro(), TxID: int64(i) * 771})
	}
	for _, field := range e.Fields {
		p := schemas.Provenance{Field: field.Name, Rule: "owner"}
		switch v := values[field.Name].(type) {
		case nil:
			continue
		case map[string]string:
			for _, locale := range sorted(v) {
				p.Locale = locale
				m.Fields = append(m.Fields, p)
			}
			continue
		case int64:
			if field.Name == "price" {
				p.Conflict, p.LoserCount = true, 1
				p.Losers = []schemas.Loser{{Source: 1, Value: schemas.AppendBytes(nil, bigEndian(v+50))}}
			}
		}
		m.Fields = append(m.Fields, p)
	}
	return schemas.AppendMeta(nil, &m)
}

func encode(f *mesh.Field, v any) []byte {
	switch v := v.(type) {
	case nil:
		return nil
	case map[string]string:
		out := schemas.AppendLong(nil, int64(len(v)))
		for _, locale := range sorted(v) {
			out = schemas.AppendString(schemas.AppendString(out, locale), v[locale])
		}
		return append(out, 0)
	case []string:
		out := schemas.AppendLong(nil, int64(len(v)))
		for _, s := range v {
			out = schemas.AppendString(out, s)
		}
		return append(out, 0)
	case int64:
		if f.Type.Kind == mesh.Decimal {
			return schemas.AppendBytes(nil, bigEndian(v))
		}
		return schemas.AppendLong(nil, v)
	case float64:
		return schemas.AppendDouble(nil, v)
	case bool:
		return schemas.AppendBool(nil, v)
	case string:
		return schemas.AppendString(nil, v)
	}
	return nil
}

func sorted(m map[string]string) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func bigEndian(v int64) []byte {
	b := make([]byte, 8)
	for i := range b {
		b[7-i] = byte(v >> (8 * i))
	}
	return b
}

// Seed writes three products with variants and brands. SKU-3 is nearly empty, SKU-2 is held.
func (f *Fixture) Seed(t testing.TB) {
	t.Helper()
	p := f.Entity("product")
	held := f.Row(p, "SKU-2", Values{"sku": "SKU-2", "name": map[string]string{"en": "Chair \"B\""}, "price": int64(999), "stock": int64(0), "status": "phaseout", "ean": "4000000000002", "brand": "acme", "listed": false})
	held.Held = []byte(`[{"stream":"erp.material","time":` + strconv.FormatInt(Epoch.Add(-time.Minute).UnixMicro(), 10) + `}]`)
	f.Put(t, "product", f.Row(p, "SKU-1", Values{
		"sku": "SKU-1", "name": map[string]string{"de": "Stuhl", "en": "Chair"}, "price": int64(1250), "stock": int64(7), "big_number": int64(1)<<60 + 1,
		"status": "active", "shape": "large", "ean": "4000000000001", "weight": 1.5, "listed": true, "changed": Epoch.UnixMicro() + 5, "since": int64(20000),
		"token": "2b6c1f2e-0d6a-4c0e-9f3b-0a1b2c3d4e5f", "extra": `{"a":[1,2]}`, "picture": strings.Repeat("\x00\xff", 2), "tags": []string{"new", "red"}, "brand": "acme",
	}), held, f.Row(p, "SKU-3", Values{"sku": "SKU-3", "price": int64(-5), "ean": "4000000000002"}))
	v := f.Entity("variant")
	f.Put(t, "variant",
		f.Row(v, "11", Values{"id": int64(11), "product": "SKU-1", "colour": "red", "stock": int64(3)}),
		f.Row(v, "12", Values{"id": int64(12), "product": "SKU-1", "colour": "blue", "stock": int64(4)}),
		f.Row(v, "21", Values{"id": int64(21), "product": "SKU-2", "colour": "red"}))
	b := f.Entity("brand")
	f.Put(t, "brand", f.Row(b, "acme", Values{"id": "acme", "name": "Acme"}))
}

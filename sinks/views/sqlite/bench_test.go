package sqlite

import (
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"tributary/mesh"
	"tributary/schemas"
	"tributary/sinks/views"
)

const benchProducts = 137_000

// benchShop is the shape of bench.md's P7: products with 3 variants and 2 prices each.
func benchShop() (product, variant, price *mesh.Entity) {
	str, num := mesh.Type{Kind: mesh.String}, mesh.Type{Kind: mesh.Int}
	amount := mesh.Type{Kind: mesh.Decimal, Precision: 12, Scale: 2}
	product = &mesh.Entity{Name: "product", Key: "sku", Fields: []*mesh.Field{
		{Name: "sku", Type: str}, {Name: "name", Type: str, Localized: true}, {Name: "price", Type: amount}, {Name: "currency", Type: str},
		{Name: "stock", Type: num}, {Name: "brand", Type: str}, {Name: "category", Type: str}, {Name: "ean", Type: str},
		{Name: "changed", Type: mesh.Type{Kind: mesh.Timestamp}}, {Name: "active", Type: mesh.Type{Kind: mesh.Bool}},
	}}
	variant = &mesh.Entity{Name: "variant", Key: "id", Fields: []*mesh.Field{{Name: "id", Type: str}, {Name: "product", Type: str}, {Name: "size", Type: str}, {Name: "color", Type: str}}}
	price = &mesh.Entity{Name: "price", Key: "id", Fields: []*mesh.Field{{Name: "id", Type: str}, {Name: "product", Type: str}, {Name: "market", Type: str}, {Name: "amount", Type: amount}}}
	product.Relations = []*mesh.Relation{{Name: "variants", Target: variant, TargetField: "product", LocalField: "sku"},
		{Name: "prices", Target: price, TargetField: "product", LocalField: "sku"}}
	return product, variant, price
}

func avroString(s string) []byte { return schemas.AppendString(nil, s) }

func benchSKU(i int) string { return fmt.Sprintf("SKU-%07d", i) }

func benchProduct(i int, offset int64) views.Row {
	k := i * 7919 % benchProducts // in no order
	id := benchSKU(k)
	name := schemas.AppendLong(nil, 2)
	name = schemas.AppendString(schemas.AppendString(name, "de"), "Produkt Nummer "+id)
	name = schemas.AppendLong(schemas.AppendString(schemas.AppendString(name, "en"), "Product number "+id), 0)
	return views.Row{ID: id, Version: views.Version{Generation: 1, Offset: offset}, Meta: make([]byte, 200), Values: [][]byte{
		avroString(id), name, schemas.AppendBytes(nil, []byte{byte(k >> 16), byte(k >> 8), byte(k)}), avroString("EUR"), schemas.AppendLong(nil, int64(k%500)),
		avroString(fmt.Sprintf("brand %d", k%300)), avroString(fmt.Sprintf("category %d", k%200)), avroString(fmt.Sprintf("40123%08d", k)),
		schemas.AppendLong(nil, 1_700_000_000_000_000+int64(k)*1_000_003), schemas.AppendBool(nil, k%7 != 0),
	}}
}

// cpuTime is what the process has used of all processors, which other load on the machine
// disturbs less than it does the clock.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

const benchBatch = 5000

// fillBench applies all products, and their variants and prices.
func fillBench(b *testing.B, s *Store) (product, variant, price *mesh.Entity) {
	product, variant, price = benchShop()
	if err := s.Define(b.Context(), []*mesh.Entity{product, variant, price}); err != nil {
		b.Fatal(err)
	}
	apply := func(e *mesh.Entity, n int, row func(i int) views.Row) {
		for i := 0; i < n; i += benchBatch {
			batch := views.Batch{Entity: e}
			for k := i; k < min(i+benchBatch, n); k++ {
				batch.Rows = append(batch.Rows, row(k))
			}
			if err := s.Apply(b.Context(), batch); err != nil {
				b.Fatal(err)
			}
		}
	}
	child := func(per int, last []byte) func(i int) views.Row {
		return func(i int) views.Row {
			id := fmt.Sprintf("%07d-%d", i/per, i%per)
			return views.Row{ID: id, Version: views.Version{Generation: 1, Offset: int64(i)}, Meta: make([]byte, 100),
				Values: [][]byte{avroString(id), avroString(benchSKU(i / per)), avroString("XL"), last}}
		}
	}
	apply(product, benchProducts, func(i int) views.Row { return benchProduct(i, int64(i)) })
	apply(variant, 3*benchProducts, child(3, avroString("red")))
	apply(price, 2*benchProducts, child(2, schemas.AppendBytes(nil, []byte{0x12, 0x34})))
	return product, variant, price
}

func items(e *mesh.Entity, names ...string) []views.Item {
	var out []views.Item
	for _, name := range names {
		out = append(out, views.Item{As: name, Field: e.Field(name)})
	}
	return out
}

// BenchmarkRead is what a store adds to P7: by id, a nested list, a filtered page.
func BenchmarkRead(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "views.db"))
	defer s.Close()
	product, variant, price := fillBench(b, s)
	fields := items(product, "sku", "price", "currency", "stock", "brand", "category", "ean", "changed")
	fields = append(fields, views.Item{As: "name", Field: product.Field("name"), Locale: 2})
	run := func(name string, q *views.Query, args func(i int) []any) {
		b.Run(name, func(b *testing.B) {
			st, err := s.Prepare(b.Context(), q)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			size, start := 0, cpuTime()
			for i := 0; b.Loop(); i++ {
				if err := st.Run(b.Context(), args(i), func(json, _ []byte) error { size += len(json); return nil }); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(size)/float64(b.N), "B/answer")
			b.ReportMetric(float64(b.N)/(cpuTime()-start).Seconds(), "answers/cpu-s")
		})
	}
	run("by-id", &views.Query{Entity: product, Where: &views.Cond{Op: views.Eq, Field: product.Field("sku"), Arg: 1}, Select: fields},
		func(i int) []any { return []any{benchSKU(i * 7919 % benchProducts), "de"} })
	nested := func(e *mesh.Entity, r int, names ...string) views.Item {
		return views.Item{As: e.Plural, Relation: product.Relations[r], Nested: &views.Query{Entity: e, Select: items(e, names...)}}
	}
	run("list-20-nested", &views.Query{Entity: product, First: 1, After: 3, Select: []views.Item{fields[0], fields[8], fields[1],
		nested(variant, 0, "id", "size", "color"), nested(price, 1, "market", "amount")}},
		func(i int) []any { return []any{int64(20), "de", `["` + benchSKU(i*7919%benchProducts) + `"]`} })
	run("page-50-category", &views.Query{Entity: product, First: 1, After: 3, Where: &views.Cond{Op: views.Eq, Field: product.Field("category"), Arg: 4},
		Select: append(fields[:5:5], fields[8])},
		func(i int) []any {
			return []any{int64(50), "de", `["` + benchSKU(i*7919%benchProducts/2) + `"]`, fmt.Sprintf("category %d", i%200)}
		})
	run("page-50-category-by-price", &views.Query{Entity: product, First: 1, After: 3, Order: []views.Order{{Field: product.Field("price"), Desc: true}},
		Where: &views.Cond{Op: views.Eq, Field: product.Field("category"), Arg: 4}, Select: append(fields[:5:5], fields[8])},
		func(i int) []any {
			return []any{int64(50), "de", fmt.Sprintf(`[%d,"SKU"]`, i*7919%benchProducts/2+60000), fmt.Sprintf("category %d", i%200)}
		})
}

// BenchmarkApply counts a row an operation: first inserts, then updates of the same rows.
func BenchmarkApply(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "views.db"))
	defer s.Close()
	product, _, _ := benchShop()
	if err := s.Define(b.Context(), []*mesh.Entity{product}); err != nil {
		b.Fatal(err)
	}
	offset := int64(0)
	for _, name := range []string{"insert", "update"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var used time.Duration
			for b.Loop() {
				b.StopTimer()
				batch := views.Batch{Entity: product}
				for range benchBatch {
					batch.Rows = append(batch.Rows, benchProduct(int(offset), offset))
					offset++
				}
				b.StartTimer()
				start := cpuTime()
				if err := s.Apply(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
				used += cpuTime() - start
			}
			b.ReportMetric(float64(benchBatch)*float64(b.N)/used.Seconds(), "rows/cpu-s")
		})
	}
}

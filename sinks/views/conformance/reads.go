package conformance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"tributary/mesh"
	"tributary/sinks/views"
)

// testFilters shows each operator once, as documentation; testPaging covers them all.
func testFilters(t *testing.T, f *fixture) {
	e := product()
	e.Fields = append(e.Fields, field("brand", mesh.Type{Kind: mesh.String}))
	f.define(e)
	f.insert(e, map[string]value{"sku": "A", "stock": int64(1), "brand": "Bosch"}, map[string]value{"sku": "B", "stock": int64(5), "brand": "Braun"},
		map[string]value{"sku": "C", "brand": "100%_"})
	stock, brand := e.Field("stock"), e.Field("brand")
	for _, c := range []struct {
		field *mesh.Field
		op    views.CondOp
		arg   any
		want  string
	}{
		{stock, views.Eq, int64(5), "B"}, {stock, views.Eq, nil, "C"}, {stock, views.Ne, int64(5), "AC"}, {stock, views.Ne, nil, ""},
		{stock, views.Gt, int64(1), "B"}, {stock, views.Gte, int64(1), "AB"}, {stock, views.Lt, int64(5), "A"}, {stock, views.Lte, int64(5), "AB"},
		{stock, views.Gt, nil, ""}, {stock, views.In, []string{"5", "1", "9"}, "AB"}, {stock, views.In, []string{}, ""}, {stock, views.In, nil, ""},
		{stock, views.IsNull, true, "C"}, {stock, views.IsNull, false, "AB"}, {stock, views.IsNull, nil, ""},
		{brand, views.Contains, "ra", "B"}, {brand, views.Contains, "%", "C"}, {brand, views.Contains, "", "ABC"}, {brand, views.Contains, "b", ""},
		{brand, views.StartsWith, "B", "AB"}, {brand, views.StartsWith, "", "ABC"}, {brand, views.StartsWith, "100%", "C"}, {brand, views.StartsWith, "_", ""},
		{brand, views.In, []string{"Bosch", "a','b"}, "A"}, {brand, views.Eq, "'; DROP TABLE x; --", ""}, {e.Field("sku"), views.Eq, "B", "B"},
	} {
		q := &views.Query{Entity: e, Where: &views.Cond{Op: c.op, Field: c.field, Arg: 1}, Select: all(e, "sku")}
		var got strings.Builder
		for _, row := range f.rows(q, c.arg) {
			got.WriteString(strings.TrimSuffix(strings.TrimPrefix(row, `{"sku":"`), `"}`))
		}
		if got.String() != c.want {
			t.Errorf("%s, operator %d, %v: got %q, want %q", c.field.Name, c.op, c.arg, got.String(), c.want)
		}
	}
	things := everyType()
	f.define(things)
	f.insert(things, map[string]value{"id": "x", "uuid": "6ba7b810-9dad-11d1-80b4-00c04fd430c8"})
	f.expect(f.rows(&views.Query{Entity: things, Where: &views.Cond{Op: views.Eq, Field: things.Field("uuid"), Arg: 1}, Select: all(things, "id")},
		"6BA7B810-9DAD-11D1-80B4-00C04FD430C8"), `{"id":"x"}`)
	for _, op := range []views.CondOp{views.Contains, views.StartsWith} {
		if _, err := f.store.Prepare(t.Context(), &views.Query{Entity: e, Where: &views.Cond{Op: op, Field: stock, Arg: 1}}); err == nil {
			t.Errorf("operator %d on an integer was accepted", op)
		}
	}
}

// testLogic proves that Not is the complement, nulls included.
func testLogic(t *testing.T, f *fixture) {
	e := product()
	f.define(e)
	f.insert(e, map[string]value{"sku": "A", "stock": int64(1)}, map[string]value{"sku": "B"})
	above := &views.Cond{Op: views.Gt, Field: e.Field("stock"), Arg: 1}
	not := func(c ...*views.Cond) *views.Cond { return &views.Cond{Op: views.Not, Conds: c} }
	for _, c := range []struct {
		where *views.Cond
		want  []string
	}{
		{above, []string{`{"sku":"A"}`}}, {not(above), []string{`{"sku":"B"}`}}, {not(not(above)), []string{`{"sku":"A"}`}},
		{&views.Cond{Op: views.Or, Conds: []*views.Cond{above, not(above)}}, []string{`{"sku":"A"}`, `{"sku":"B"}`}},
		{&views.Cond{Op: views.And}, []string{`{"sku":"A"}`, `{"sku":"B"}`}}, {&views.Cond{Op: views.Or}, nil},
	} {
		f.expect(f.rows(&views.Query{Entity: e, Where: c.where, Select: all(e, "sku")}, int64(0)), c.want...)
	}
}

// shop is customer → orders → lines → product and back, for relations.
func shop() (customer, order, line, item *mesh.Entity) {
	str, num := mesh.Type{Kind: mesh.String}, mesh.Type{Kind: mesh.Int}
	customer = &mesh.Entity{Name: "customer", Key: "id", Fields: []*mesh.Field{field("id", num), field("name", str)}}
	order = &mesh.Entity{Name: "order", Key: "no", Fields: []*mesh.Field{field("no", str), field("customer", num), field("total", num)}}
	line = &mesh.Entity{Name: "line", Key: "id", Fields: []*mesh.Field{field("id", str), field("order", str), field("sku", str), field("qty", num)}}
	item = &mesh.Entity{Name: "item", Key: "sku", Fields: []*mesh.Field{field("sku", str), field("title", str)}}
	customer.Relations = []*mesh.Relation{{Name: "orders", Target: order, TargetField: "customer", LocalField: "id"}}
	order.Relations = []*mesh.Relation{{Name: "lines", Target: line, TargetField: "order", LocalField: "no"},
		{Name: "buyer", Target: customer, TargetField: "id", LocalField: "customer", One: true}}
	line.Relations = []*mesh.Relation{{Name: "item", Target: item, TargetField: "sku", LocalField: "sku", One: true}}
	return customer, order, line, item
}

// testRelations nests to depth 4, with orders, limits, filters and gaps.
func testRelations(t *testing.T, f *fixture) {
	customer, order, line, item := shop()
	f.define(customer, order, line, item)
	f.insert(customer, map[string]value{"id": int64(10), "name": "Ada"}, map[string]value{"id": int64(9), "name": "Bob"})
	f.insert(order, map[string]value{"no": "o1", "customer": int64(10), "total": int64(5)}, map[string]value{"no": "o2", "customer": int64(10), "total": int64(7)},
		map[string]value{"no": "o3", "customer": int64(10)}, map[string]value{"no": "o4"})
	f.insert(line, map[string]value{"id": "l1", "order": "o1", "sku": "X", "qty": int64(1)}, map[string]value{"id": "l2", "order": "o1", "qty": int64(2)},
		map[string]value{"id": "l3", "order": "o1", "sku": "gone", "qty": int64(3)}, map[string]value{"id": "l4", "order": "o2", "sku": "X", "qty": int64(4)})
	f.insert(item, map[string]value{"sku": "X", "title": "a \"title\""})

	items := &views.Query{Entity: item, Select: all(item, "title")}
	lines := &views.Query{Entity: line, Order: []views.Order{{Field: line.Field("qty"), Desc: true}}, First: 1,
		Where:  &views.Cond{Op: views.Gt, Field: line.Field("qty"), Arg: 2},
		Select: append(all(line, "id"), views.Item{As: "item", Relation: line.Relations[0], Nested: items})}
	buyers := &views.Query{Entity: customer, Select: all(customer, "name")}
	orders := &views.Query{Entity: order, Order: []views.Order{{Field: order.Field("total"), Desc: true}},
		Select: append(all(order, "no"), views.Item{As: "lines", Relation: order.Relations[0], Nested: lines}, views.Item{As: "buyer", Relation: order.Relations[1], Nested: buyers})}
	q := &views.Query{Entity: customer, Select: []views.Item{{As: "name", Field: customer.Field("name")}, {As: "orders", Relation: customer.Relations[0], Nested: orders}}}
	f.expect(f.rows(q, int64(2), int64(0)),
		`{"name":"Bob","orders":[]}`,
		`{"name":"Ada","orders":[`+
			`{"no":"o2","lines":[{"id":"l4","item":{"title":"a \"title\""}}],"buyer":{"name":"Ada"}},`+
			`{"no":"o1","lines":[{"id":"l3","item":null},{"id":"l2","item":null}],"buyer":{"name":"Ada"}},`+
			`{"no":"o3","lines":[],"buyer":{"name":"Ada"}}]}`)
	f.expect(f.rows(q, nil, int64(3)),
		`{"name":"Bob","orders":[]}`,
		`{"name":"Ada","orders":[{"no":"o2","lines":[{"id":"l4","item":{"title":"a \"title\""}}],"buyer":{"name":"Ada"}},{"no":"o1","lines":[],"buyer":{"name":"Ada"}},{"no":"o3","lines":[],"buyer":{"name":"Ada"}}]}`)
	lone := &views.Query{Entity: order, Where: &views.Cond{Op: views.Eq, Field: order.Field("no"), Arg: 1},
		Select: []views.Item{{As: "buyer", Relation: order.Relations[1], Nested: buyers}}}
	f.expect(f.rows(lone, "o4"), `{"buyer":null}`)
}

// testLocales reads a localized field in one locale and in all.
func testLocales(t *testing.T, f *fixture) {
	e := product()
	name, price := field("name", mesh.Type{Kind: mesh.String}), field("price", mesh.Type{Kind: mesh.Decimal, Precision: 9, Scale: 2})
	notes := field("notes", mesh.Type{Kind: mesh.JSON})
	name.Localized, price.Localized, notes.Localized = true, true, true
	e.Fields = append(e.Fields, name, price, notes)
	f.define(e)
	f.insert(e, map[string]value{"sku": "A", "name": locales{"de": "Stuhl", "en-GB": "chair \"x\""}, "price": locales{"de": "9.5"}, "notes": locales{"de": `"x"`, "fr": `{"a": 1}`}},
		map[string]value{"sku": "B", "name": locales{}})
	q := &views.Query{Entity: e, Select: []views.Item{{As: "one", Field: name, Locale: 1}, {As: "all", Field: name}, {As: "price", Field: price, Locale: 1},
		{As: "prices", Field: price}, {As: "note", Field: notes, Locale: 1}, {As: "notes", Field: notes}}}
	f.expect(f.rows(q, "de"),
		`{"one":"Stuhl","all":{"de":"Stuhl","en-GB":"chair \"x\""},"price":"9.50","prices":{"de":"9.50"},"note":"x","notes":{"de":"x","fr":{"a":1}}}`,
		`{"one":null,"all":{},"price":null,"prices":null,"note":null,"notes":null}`)
	f.expect(f.rows(q, "en-GB")[:1],
		`{"one":"chair \"x\"","all":{"de":"Stuhl","en-GB":"chair \"x\""},"price":null,"prices":{"de":"9.50"},"note":null,"notes":{"de":"x","fr":{"a":1}}}`)
	f.expect(f.rows(&views.Query{Entity: e, Select: []views.Item{{As: "one", Field: name, Locale: 1}}}, nil), `{"one":null}`, `{"one":null}`)
	if _, err := f.store.Prepare(t.Context(), &views.Query{Entity: e, Where: &views.Cond{Op: views.Eq, Field: name, Arg: 1}}); err == nil {
		t.Error("a localized field was compared without a locale")
	}
}

// testMeta reads the marks that the gateway replaces.
func testMeta(t *testing.T, f *fixture) {
	e := product()
	f.define(e)
	plain, held := f.row(e, map[string]value{"sku": `A"1`}), f.row(e, map[string]value{"sku": "B"})
	plain.Version = views.Version{Generation: 4294967295, Partition: 7, Offset: 1 << 60, N: 4294967295}
	plain.Partition, plain.Meta = 11, []byte{0, 0xff}
	held.Version, held.Held = views.Version{Generation: 1, Offset: 8}, []byte(`[{"stream":"erp.material","time":"2026-01-31T12:00:00Z"}]`)
	f.apply(e, plain, held)
	q := &views.Query{Entity: e, Select: []views.Item{
		{As: "_meta", Meta: 3, MetaBlob: true, MetaMark: "§x\""}, {As: "m", Meta: 0, MetaMark: "§y"}}}
	f.expect(f.rows(q),
		`{"_meta":{"§x\"":[3,"A\"1",11,4294967295,1152921504606846976,4294967295,null,"00ff"]},"m":{"§y":[0,"A\"1",11,4294967295,1152921504606846976,4294967295,null,""]}}`,
		`{"_meta":{"§x\"":[3,"B",2,1,8,0,[{"stream":"erp.material","time":"2026-01-31T12:00:00Z"}],""]},"m":{"§y":[0,"B",2,1,8,0,[{"stream":"erp.material","time":"2026-01-31T12:00:00Z"}],""]}}`)
}

// testSnapshots reads while batches are applied: a run never sees half of one.
func testSnapshots(t *testing.T, f *fixture) {
	customer, order, line, item := shop()
	f.define(customer, order, line, item)
	const rows, batches = 20, 30
	set := func(total int64) {
		var batch []map[string]value
		for i := range rows {
			batch = append(batch, map[string]value{"no": fmt.Sprint("o", i), "customer": int64(1), "total": total})
		}
		f.insert(order, batch...)
	}
	f.insert(customer, map[string]value{"id": int64(1)})
	set(0)
	orders := &views.Query{Entity: order, Select: all(order, "total")}
	s := f.prepare(&views.Query{Entity: order, Select: []views.Item{{As: "total", Field: order.Field("total")},
		{As: "buyer", Relation: order.Relations[1], Nested: &views.Query{Entity: customer, Select: []views.Item{{As: "orders", Relation: customer.Relations[0], Nested: orders}}}}}})
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for running := true; running; {
				select {
				case <-done:
					running = false
				default:
				}
				got, _, err := run(context.Background(), s, nil)
				if err != nil || len(got) != rows {
					t.Errorf("%d rows, %v", len(got), err)
					return
				}
				total, _, _ := strings.Cut(strings.TrimPrefix(got[0], `{"total":`), ",")
				for _, row := range got {
					if n := strings.Count(row, `"total":`+total); n != rows+1 {
						t.Errorf("a run saw two states: total %s in %d of %d places", total, n, rows+1)
						return
					}
				}
			}
		})
	}
	for i := range batches {
		set(int64(1000 + i))
	}
	close(done)
	readers.Wait()
}

// testPageSnapshot changes rows in the middle of a page, where its ties end: the rest of the page
// is of the state it began with.
func testPageSnapshot(t *testing.T, f *fixture) {
	e := product()
	f.define(e)
	f.insert(e, map[string]value{"sku": "A", "stock": int64(1)}, map[string]value{"sku": "B", "stock": int64(1)},
		map[string]value{"sku": "C", "stock": int64(2)}, map[string]value{"sku": "D"})
	s := f.prepare(&views.Query{Entity: e, Order: []views.Order{{Field: e.Field("stock")}}, First: 1, After: 2, Select: all(e, "sku", "stock")})
	_, cursors, err := run(t.Context(), s, []any{int64(1), nil})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	err = s.Run(t.Context(), []any{int64(10), cursors[0]}, func(json, _ []byte) error {
		if got = append(got, string(json)); len(got) == 1 {
			f.insert(e, map[string]value{"sku": "C", "stock": int64(0)}, map[string]value{"sku": "D", "stock": int64(0)})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	f.expect(got, `{"sku":"B","stock":1}`, `{"sku":"C","stock":2}`, `{"sku":"D","stock":null}`)
}

// testCancelled ends a run by its context, and uses the store afterwards.
func testCancelled(t *testing.T, f *fixture) {
	e := product()
	f.define(e)
	var batch []map[string]value
	for i := range 500 {
		batch = append(batch, map[string]value{"sku": fmt.Sprint(i)})
	}
	f.insert(e, batch...)
	s := f.prepare(&views.Query{Entity: e, Select: all(e, "sku")})
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		seen := 0
		err := s.Run(ctx, nil, func([]byte, []byte) error {
			if seen++; seen == 3 {
				cancel()
				<-ctx.Done()
			}
			return ctx.Err()
		})
		if !errors.Is(err, context.Canceled) || seen != 3 {
			t.Fatalf("a cancelled run gave %v after %d rows", err, seen)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.store.Apply(ctx, views.Batch{Entity: e, Rows: []views.Row{f.row(e, map[string]value{"sku": "new"})}}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled Apply gave %v", err)
	}
	stop := errors.New("enough")
	if err := s.Run(t.Context(), nil, func([]byte, []byte) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the reader's own error came back as %v", err)
	}
	if n, err := s.Count(t.Context(), nil); n != 500 || err != nil {
		t.Errorf("count afterwards: %d, %v", n, err)
	}
}

// testInterrupted lets the deadline of a run pass, which would take many seconds.
func testInterrupted(t *testing.T, f *fixture) {
	customer, order, line, item := shop()
	f.define(customer, order, line, item)
	f.insert(customer, map[string]value{"id": int64(1)})
	var batch []map[string]value
	for i := range 200 {
		batch = append(batch, map[string]value{"no": fmt.Sprint(i), "customer": int64(1)})
	}
	f.insert(order, batch...)
	q := &views.Query{Entity: order, Select: all(order, "no")}
	for range 2 { // each level repeats all orders for each order
		buyers := &views.Query{Entity: customer, Select: []views.Item{{As: "orders", Relation: customer.Relations[0], Nested: q}}}
		q = &views.Query{Entity: order, First: 1, Select: []views.Item{{As: "buyer", Relation: order.Relations[1], Nested: buyers}}}
	}
	s := f.prepare(q)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, _, err := run(ctx, s, []any{nil}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want DeadlineExceeded", err)
	}
	if rows, _, err := run(t.Context(), s, []any{int64(1)}); err != nil || len(rows) != 1 {
		t.Errorf("afterwards: %d rows, %v", len(rows), err)
	}
}

// testClosed uses a store after Close.
func testClosed(t *testing.T, f *fixture) {
	e := product()
	f.define(e)
	s := f.prepare(&views.Query{Entity: e, Select: all(e, "sku")})
	if err := f.store.Close(); err != nil {
		t.Fatal(err)
	}
	_, _, err := run(t.Context(), s, nil)
	if !errors.Is(err, views.ErrClosed) {
		t.Errorf("run: got %v, want ErrClosed", err)
	}
	if err := f.store.Apply(t.Context(), views.Batch{Entity: e}); !errors.Is(err, views.ErrClosed) {
		t.Errorf("apply: got %v, want ErrClosed", err)
	}
}

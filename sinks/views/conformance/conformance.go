// Package conformance is the one suite that every view store must pass. Drivers call Run from
// a test; the suite knows nothing of how they store rows.
package conformance

import (
	"context"
	"testing"

	"tributary/mesh"
	"tributary/sinks/views"
)

// Run tests a driver. open gives an empty store that the suite closes; each call gives another.
func Run(t *testing.T, open func(t *testing.T) views.Store) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(t *testing.T, f *fixture)
	}{
		{"Types", testTypes},
		{"Versions", testVersions},
		{"Forget", testForget},
		{"Progress", testProgress},
		{"BadValue", testBadValue},
		{"Define", testDefine},
		{"DefineChanged", testDefineChanged},
		{"Undefined", testUndefined},
		{"Filters", testFilters},
		{"Logic", testLogic},
		{"BadArguments", testBadArguments},
		{"Relations", testRelations},
		{"Locales", testLocales},
		{"Meta", testMeta},
		{"Snapshots", testSnapshots},
		{"PageSnapshot", testPageSnapshot},
		{"Cancelled", testCancelled},
		{"Interrupted", testInterrupted},
		{"Closed", testClosed},
		{"Paging", testPaging},
	} {
		t.Run(c.name, func(t *testing.T) {
			store := open(t)
			t.Cleanup(func() {
				if err := store.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			})
			c.test(t, &fixture{t: t, store: store})
		})
	}
}

// A fixture is a store under test.
type fixture struct {
	t     *testing.T
	store views.Store
	// offset counts the rows made, so that each has a higher version.
	offset int64
}

// define declares entities.
func (f *fixture) define(entities ...*mesh.Entity) {
	f.t.Helper()
	if err := f.store.Define(f.t.Context(), entities); err != nil {
		f.t.Fatalf("define: %v", err)
	}
}

// row makes a row of the entity; fields not named are null, the key's value is its id.
func (f *fixture) row(e *mesh.Entity, fields map[string]value) views.Row {
	f.offset++
	r := views.Row{Partition: 2, Version: views.Version{Generation: 1, Partition: 2, Offset: f.offset}, Meta: []byte{}}
	r.ID = text(fields[e.Key])
	for _, field := range e.Fields {
		r.Values = append(r.Values, encode(field, fields[field.Name]))
	}
	return r
}

func (f *fixture) apply(e *mesh.Entity, rows ...views.Row) {
	f.t.Helper()
	if err := f.store.Apply(f.t.Context(), views.Batch{Entity: e, Rows: rows}); err != nil {
		f.t.Fatalf("apply: %v", err)
	}
}

// insert applies rows given by their fields.
func (f *fixture) insert(e *mesh.Entity, rows ...map[string]value) {
	f.t.Helper()
	batch := make([]views.Row, len(rows))
	for i, fields := range rows {
		batch[i] = f.row(e, fields)
	}
	f.apply(e, batch...)
}

func (f *fixture) prepare(q *views.Query) views.Statement {
	f.t.Helper()
	s, err := f.store.Prepare(f.t.Context(), q)
	if err != nil {
		f.t.Fatalf("prepare: %v", err)
	}
	return s
}

// rows runs a query and gives its rows' JSON.
func (f *fixture) rows(q *views.Query, args ...any) []string {
	f.t.Helper()
	out, _, err := run(f.t.Context(), f.prepare(q), args)
	if err != nil {
		f.t.Fatalf("run: %v", err)
	}
	return out
}

func run(ctx context.Context, s views.Statement, args []any) (rows, cursors []string, err error) {
	err = s.Run(ctx, args, func(json, cursor []byte) error {
		rows = append(rows, string(json))
		cursors = append(cursors, string(cursor))
		return nil
	})
	return rows, cursors, err
}

// expect compares rows.
func (f *fixture) expect(got []string, want ...string) {
	f.t.Helper()
	if len(got) != len(want) {
		f.t.Fatalf("%d rows, want %d:\n got %q\nwant %q", len(got), len(want), got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			f.t.Errorf("row %d:\n got %s\nwant %s", i, got[i], want[i])
		}
	}
}

// all selects some fields under their names.
func all(e *mesh.Entity, names ...string) []views.Item {
	var items []views.Item
	for _, name := range names {
		items = append(items, views.Item{As: name, Field: e.Field(name)})
	}
	return items
}

// field makes a field.
func field(name string, t mesh.Type) *mesh.Field { return &mesh.Field{Name: name, Type: t} }

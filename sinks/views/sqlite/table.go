package sqlite

import (
	"fmt"
	"strings"

	"tributary/mesh"
	"tributary/sinks/views"
)

// A table is an entity as it is stored. Apart from its indexes it never changes; Define replaces
// it.
type table struct {
	entity  *mesh.Entity
	stored  string // the table's name
	name    string // the same, quoted
	deleted string // the table of tombstones, quoted
	columns []column
	key     column
	upsert  string
	// indexes are those that exist, as index.String: true where Define made it, false where a
	// query wanted it.
	indexes map[string]bool
}

// A column is a field as it is stored.
type column struct {
	storage
	field     string
	fieldType mesh.Type
	localized bool
	sql       string // quoted
	isKey     bool
}

// The columns that every row has. No field can have their names.
const (
	idColumn        = `"$id"`
	versionColumn   = `"$version"`
	partitionColumn = `"$partition"`
	heldColumn      = `"$held"`
	metaColumn      = `"$meta"`
)

// quote makes an SQL identifier.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// tableName names an entity's table in a generation; generation 1 has no suffix. A later
// generation is built beside it and takes its name at the cut-over.
func tableName(entity string, generation uint32) string {
	if generation <= 1 {
		return "view." + entity
	}
	return fmt.Sprintf("view.%s.g%d", entity, generation)
}

func newTable(e *mesh.Entity, generation uint32) (*table, error) {
	name := tableName(e.Name, generation)
	t := &table{entity: e, stored: name, name: quote(name), deleted: quote("deleted." + name)}
	seen := map[string]string{}
	for _, f := range e.Fields {
		folded := strings.ToLower(f.Name)
		if other, ok := seen[folded]; ok {
			return nil, fmt.Errorf("entity %s: fields %s and %s differ only in case, which SQLite's columns do not: rename one", e.Name, other, f.Name)
		}
		seen[folded] = f.Name
		c := column{storage: storageOf(f.Type), field: f.Name, fieldType: f.Type, localized: f.Localized, sql: quote(f.Name)}
		if f.Name == e.Key {
			c.isKey = true
			if c.text {
				c.sql = idColumn
			}
			t.key = c
		}
		t.columns = append(t.columns, c)
	}
	if t.key.codec == nil || t.key.localized || t.key.raw {
		return nil, fmt.Errorf("entity %s: key %q must name a field that is neither localized, a list nor json", e.Name, e.Key)
	}
	t.upsert = t.upsertSQL()
	return t, nil
}

// sqlType is the declared type of the column.
func (c column) sqlType() string {
	if c.localized {
		return "TEXT"
	}
	return c.affinity
}

// signature is what must not change while rows are there.
func (c column) signature() string {
	switch {
	case c.isKey:
		return "key " + c.name
	case c.localized:
		return "localized " + c.name
	}
	return c.name
}

// column gives the column of a query's field.
func (t *table) column(f *mesh.Field) (column, error) {
	for _, c := range t.columns {
		if f != nil && c.field == f.Name {
			return c, nil
		}
	}
	name := "<nil>"
	if f != nil {
		name = f.Name
	}
	return column{}, fmt.Errorf("entity %s, field %s: %w", t.entity.Name, name, views.ErrUndefined)
}

func (t *table) createSQL() []string {
	b := []string{idColumn + " TEXT PRIMARY KEY NOT NULL", versionColumn + " BLOB NOT NULL", partitionColumn + " INTEGER NOT NULL"}
	for _, c := range t.columns {
		if c.sql != idColumn {
			b = append(b, c.sql+" "+c.sqlType())
		}
	}
	b = append(b, heldColumn+" TEXT", metaColumn+" BLOB")
	return []string{
		"CREATE TABLE IF NOT EXISTS " + t.name + " (" + strings.Join(b, ", ") + ")",
		"CREATE TABLE IF NOT EXISTS " + t.deleted + " (" + idColumn + " TEXT PRIMARY KEY NOT NULL, " +
			versionColumn + " BLOB NOT NULL, deleted_at INTEGER NOT NULL) WITHOUT ROWID",
	}
}

// upsertSQL writes a row only upwards (I9). It inserts VALUES, not a SELECT that could look for a
// tombstone too: for that SQLite would keep a journal of each statement, at half the speed.
func (t *table) upsertSQL() string {
	names := []string{idColumn, versionColumn, partitionColumn, heldColumn, metaColumn}
	for _, c := range t.columns {
		if c.sql != idColumn {
			names = append(names, c.sql)
		}
	}
	params, sets := make([]string, len(names)), make([]string, 0, len(names))
	for i, name := range names {
		params[i] = fmt.Sprintf("?%d", i+1)
		if i > 0 {
			sets = append(sets, name+"=excluded."+name)
		}
	}
	return "INSERT INTO " + t.name + " (" + strings.Join(names, ",") + ") VALUES (" + strings.Join(params, ",") + ")" +
		" ON CONFLICT (" + idColumn + ") DO UPDATE SET " + strings.Join(sets, ",") +
		" WHERE " + t.name + "." + versionColumn + "<excluded." + versionColumn
}

package sqlite

import (
	"context"
	"fmt"
	"strings"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// An index lists its columns as field names, "$id" for the key where that is the id column, each
// with " DESC" behind it where it is descending.
type index []string

const descending = " DESC"

// String is the index's name in the file, behind the table's name and a colon.
func (x index) String() string { return strings.Join(x, ",") }

func (x index) has(field string) bool {
	for _, column := range x {
		if strings.TrimSuffix(column, descending) == field {
			return true
		}
	}
	return false
}

// indexName is how an index names the column.
func (c column) indexName() string { return strings.Trim(c.sql, `"`) }

func (t *table) createIndex(w *conn, x index) error {
	columns := make([]string, len(x))
	for i, column := range x {
		field, desc := strings.CutSuffix(column, descending)
		columns[i] = quote(field)
		if desc {
			columns[i] += descending
		}
	}
	return sqlitex.ExecuteTransient(w.Conn, "CREATE INDEX IF NOT EXISTS "+quote(t.stored+":"+x.String())+
		" ON "+t.name+" ("+strings.Join(columns, ", ")+")", nil)
}

func (t *table) dropIndexes(w *conn, field string) error {
	for name := range t.indexes {
		if !index(strings.Split(name, ",")).has(field) {
			continue
		}
		if err := sqlitex.ExecuteTransient(w.Conn, "DROP INDEX "+quote(t.stored+":"+name), nil); err != nil {
			return err
		}
		delete(t.indexes, name)
	}
	return nil
}

func readIndexes(w *conn, stored string) (map[string]bool, error) {
	out := map[string]bool{}
	err := sqlitex.Execute(w.Conn, "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL",
		&sqlitex.ExecOptions{Args: []any{stored}, ResultFunc: func(stmt *sqlite.Stmt) error {
			if _, columns, ok := strings.Cut(stmt.ColumnText(0), ":"); ok {
				out[columns] = false
			}
			return nil
		}})
	return out, err
}

// defineIndexes makes the indexes that are always there: of the key where it is not the id
// column, of unique fields, and of fields that relations look up.
func defineIndexes(w *conn, defined []*table, names map[string]*table) error {
	for _, t := range defined {
		if err := t.fix(w, t.key); err != nil {
			return err
		}
		for i, f := range t.entity.Fields {
			if !f.Unique || f.Localized {
				continue
			}
			if err := t.fix(w, t.columns[i]); err != nil {
				return err
			}
		}
		for _, r := range t.entity.Relations {
			target := names[r.Target.Name]
			if target == nil {
				continue
			}
			c, err := target.column(target.entity.Field(r.TargetField))
			if err == nil {
				err = target.fix(w, c)
			}
			if err != nil {
				return fmt.Errorf("relation %s: %w", r.Name, err)
			}
		}
	}
	return nil
}

// fix makes the index of one column, unless the id's own serves.
func (t *table) fix(w *conn, c column) error {
	x := index{c.indexName()}
	switch {
	case c.sql == idColumn:
		return nil
	case !c.isKey:
		x = append(x, t.key.indexName())
	}
	t.indexes[x.String()] = true
	return t.createIndex(w, x)
}

// ensureIndex makes the index a query wants if the entity may have another one. The first
// query of its kind waits for it (under a microsecond a row), and so does Apply.
func (s *Store) ensureIndex(ctx context.Context, t *table, x index) error {
	if s.indexed(t, x) {
		return nil
	}
	return s.write(ctx, "index "+t.entity.Name+" by "+x.String(), func(w *conn) error {
		if err := t.createIndex(w, x); err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		t.indexes[x.String()] = false
		return nil
	})
}

// indexed says whether the index exists or the entity may have no further one.
func (s *Store) indexed(t *table, x index) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	wanted := 0
	for _, fixed := range t.indexes {
		if !fixed {
			wanted++
		}
	}
	_, exists := t.indexes[x.String()]
	return exists || wanted >= s.opts.Indexes
}

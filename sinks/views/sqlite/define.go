package sqlite

import (
	"context"
	"fmt"
	"maps"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"tributary/mesh"
	"tributary/sinks/views"
)

func createSystemTables(w *conn) error {
	var version int64
	err := sqlitex.ExecuteTransient(w.Conn, "PRAGMA user_version", &sqlitex.ExecOptions{
		ResultFunc: func(stmt *sqlite.Stmt) error { version = stmt.ColumnInt64(0); return nil },
	})
	if err != nil {
		return err
	}
	if version != 0 && version != format {
		return fmt.Errorf("%w: its format is %d, this program's %d", views.ErrDamaged, version, format)
	}
	return sqlitex.ExecuteScript(w.Conn, fmt.Sprintf(`
		CREATE TABLE IF NOT EXISTS "$fields" (tbl TEXT NOT NULL, field TEXT NOT NULL, type TEXT NOT NULL,
			dropped INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (tbl, field)) WITHOUT ROWID;
		CREATE TABLE IF NOT EXISTS "$offsets" (tbl TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL,
			next INTEGER NOT NULL, PRIMARY KEY (tbl, topic, partition)) WITHOUT ROWID;
		CREATE TABLE IF NOT EXISTS "$frontiers" (tbl TEXT NOT NULL, partition INTEGER NOT NULL, stream TEXT NOT NULL,
			through INTEGER, position BLOB NOT NULL, PRIMARY KEY (tbl, partition, stream)) WITHOUT ROWID;
		PRAGMA user_version = %d;`, format), nil)
}

// Define makes or widens the tables of the entities, in one transaction. A field that is gone
// keeps its column, out of use, until it comes back, and is null then.
func (s *Store) Define(ctx context.Context, entities []*mesh.Entity) error {
	defined := make([]*table, 0, len(entities))
	names := map[string]*table{}
	for _, e := range entities {
		t, err := newTable(e, 1)
		if err != nil {
			return fmt.Errorf("view store: define: %w", err)
		}
		defined = append(defined, t)
		names[e.Name] = t
	}
	err := s.write(ctx, "define", func(w *conn) error {
		for _, t := range defined {
			if err := t.define(w); err != nil {
				return fmt.Errorf("entity %s: %w", t.entity.Name, err)
			}
		}
		return defineIndexes(w, defined, names)
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.Copy(s.tables, names)
	return nil
}

// A storedField is a line of the catalog of fields.
type storedField struct {
	signature string
	dropped   bool
}

func (t *table) define(w *conn) error {
	stored := map[string]storedField{}
	err := sqlitex.Execute(w.Conn, `SELECT field, type, dropped FROM "$fields" WHERE tbl = ?`, &sqlitex.ExecOptions{
		Args: []any{t.stored},
		ResultFunc: func(stmt *sqlite.Stmt) error {
			stored[stmt.ColumnText(0)] = storedField{stmt.ColumnText(1), stmt.ColumnBool(2)}
			return nil
		},
	})
	if err != nil {
		return err
	}
	if len(stored) == 0 {
		for _, sql := range t.createSQL() {
			if err := sqlitex.ExecuteTransient(w.Conn, sql, nil); err != nil {
				return err
			}
		}
	}
	if t.indexes, err = readIndexes(w, t.stored); err != nil {
		return err
	}
	created := len(stored) == 0
	for _, c := range t.columns {
		old, known := stored[c.field]
		delete(stored, c.field)
		if err := t.defineColumn(w, c, old, known, created); err != nil {
			return err
		}
	}
	return t.dropFields(w, stored)
}

func (t *table) defineColumn(w *conn, c column, old storedField, known, created bool) error {
	switch {
	case known && old.dropped && !c.isKey:
		if err := t.dropIndexes(w, c.field); err != nil {
			return err
		}
		if err := sqlitex.ExecuteTransient(w.Conn, "ALTER TABLE "+t.name+" DROP COLUMN "+c.sql, nil); err != nil {
			return err
		}
		known = false
	case known && old.signature != c.signature():
		return fmt.Errorf("%w: %s is stored as %s and is now %s: rebuild the view (tributary up --rebuild), or give the field another name",
			views.ErrChanged, c.field, old.signature, c.signature())
	case known:
		return nil
	}
	if !created {
		if err := sqlitex.ExecuteTransient(w.Conn, "ALTER TABLE "+t.name+" ADD COLUMN "+c.sql+" "+c.sqlType(), nil); err != nil {
			return err
		}
	}
	return sqlitex.Execute(w.Conn, `INSERT OR REPLACE INTO "$fields" (tbl, field, type) VALUES (?, ?, ?)`,
		&sqlitex.ExecOptions{Args: []any{t.stored, c.field, c.signature()}})
}

// dropFields takes the fields that the entity no longer has out of use.
func (t *table) dropFields(w *conn, gone map[string]storedField) error {
	for field, old := range gone {
		if old.dropped {
			continue
		}
		if err := t.dropIndexes(w, field); err != nil {
			return err
		}
		err := sqlitex.Execute(w.Conn, `UPDATE "$fields" SET dropped = 1 WHERE tbl = ? AND field = ?`,
			&sqlitex.ExecOptions{Args: []any{t.stored, field}})
		if err != nil {
			return err
		}
	}
	return nil
}

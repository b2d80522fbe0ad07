package sqlite

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"

	"tributary/sinks/views"
	"tributary/topics"
)

// Apply writes a batch in one transaction.
func (s *Store) Apply(ctx context.Context, b views.Batch) error {
	s.mu.RLock()
	t := s.tables[b.Entity.Name]
	s.mu.RUnlock()
	if t == nil || len(t.columns) != len(b.Entity.Fields) {
		return fmt.Errorf("view store: apply: entity %s: %w", b.Entity.Name, views.ErrUndefined)
	}
	return s.write(ctx, "apply "+b.Entity.Name, func(w *conn) error {
		if err := t.applyRows(w, b.Rows); err != nil {
			return err
		}
		for _, o := range b.Offsets {
			err := w.exec(`INSERT INTO "$offsets" VALUES (?,?,?,?) ON CONFLICT DO UPDATE SET next = excluded.next`,
				textCell([]byte(t.stored)), textCell([]byte(o.Topic)), intCell(int64(o.Partition)), intCell(o.Next))
			if err != nil {
				return err
			}
		}
		for _, f := range b.Frontiers {
			if err := t.applyFrontier(w, f); err != nil {
				return err
			}
		}
		if b.Forget.IsZero() {
			return nil
		}
		return w.exec("DELETE FROM "+t.deleted+" WHERE deleted_at < ?", intCell(b.Forget.UnixMicro()))
	})
}

func (t *table) applyFrontier(w *conn, f views.Frontier) error {
	through := cell{}
	if !f.Through.IsZero() {
		through = intCell(f.Through.UnixNano())
	}
	return w.exec(`INSERT INTO "$frontiers" VALUES (?,?,?,?,?)
		ON CONFLICT DO UPDATE SET through = excluded.through, position = excluded.position`,
		textCell([]byte(t.stored)), intCell(int64(f.Partition)), textCell([]byte(f.Stream)), through, blobCell(f.Position[:]))
}

func (t *table) applyRows(w *conn, rows []views.Row) error {
	stmt, err := w.statement(0, t.upsert)
	if err != nil {
		return err
	}
	tombstones, err := w.any("SELECT 1 FROM " + t.deleted + " LIMIT 1")
	if err != nil {
		return err
	}
	now := intCell(time.Now().UnixMicro())
	var version [versionSize]byte
	var scratch []byte
	for i := range rows {
		row := &rows[i]
		putVersion(&version, row.Version)
		if row.Deleted {
			if err := t.remove(w, row.ID, version[:], now); err != nil {
				return err
			}
			tombstones = true
			continue
		}
		if tombstones {
			late, err := w.any("SELECT 1 FROM "+t.deleted+" WHERE "+idColumn+"=?1 AND "+versionColumn+">=?2", textCell([]byte(row.ID)), blobCell(version[:]))
			if err != nil {
				return err
			}
			if late {
				continue // I9
			}
		}
		if scratch, err = t.bindRow(stmt, row, version[:], scratch[:0]); err != nil {
			return err
		}
		if _, err := stmt.Step(); err != nil {
			return err
		}
		if err := stmt.Reset(); err != nil {
			return err
		}
	}
	return nil
}

// bindRow binds the parameters in the order of upsertSQL.
func (t *table) bindRow(stmt *sqlite.Stmt, row *views.Row, version, scratch []byte) ([]byte, error) {
	if len(row.Values) != len(t.columns) {
		return scratch, fmt.Errorf("row has %d values of %d fields: %w", len(row.Values), len(t.columns), views.ErrValue)
	}
	stmt.BindText(1, row.ID)
	stmt.BindBytes(2, version)
	stmt.BindInt64(3, int64(row.Partition))
	bindOrNull(stmt, 4, textCell(row.Held))
	bindOrNull(stmt, 5, blobCell(row.Meta))
	param := 6
	for i := range t.columns {
		c := &t.columns[i]
		if c.sql == idColumn {
			continue
		}
		var value cell
		if avro := row.Values[i]; avro != nil {
			var err error
			if c.localized {
				value, scratch, err = c.decodeLocales(avro, scratch)
			} else {
				value, err = c.decode(avro)
			}
			if err != nil {
				// The value and the id stay out of the error (I11).
				return scratch, fmt.Errorf("field %s at partition %d offset %d: %w for type %s: %w", c.field,
					row.Version.Partition, row.Version.Offset, views.ErrValue, c.name, err)
			}
		}
		value.bind(stmt, param)
		param++
	}
	return scratch, nil
}

func bindOrNull(stmt *sqlite.Stmt, param int, c cell) {
	if c.b == nil {
		c = cell{}
	}
	c.bind(stmt, param)
}

// remove deletes a row whose version is lower, and remembers the deletion so that a late older
// record does not bring it back (I9).
func (t *table) remove(w *conn, id string, version []byte, now cell) error {
	key, v := textCell([]byte(id)), blobCell(version)
	err := w.exec("DELETE FROM "+t.name+" WHERE "+idColumn+"=?1 AND "+versionColumn+"<?2", key, v)
	if err != nil {
		return err
	}
	return w.exec("INSERT INTO "+t.deleted+" VALUES (?1,?2,?3)"+
		" ON CONFLICT DO UPDATE SET "+versionColumn+"=excluded."+versionColumn+", deleted_at=excluded.deleted_at"+
		" WHERE "+versionColumn+"<excluded."+versionColumn, key, v, now)
}

const versionSize = 4 + 4 + 8 + 4

// putVersion writes a version as bytes that compare as versions do (I9).
func putVersion(dst *[versionSize]byte, v views.Version) {
	binary.BigEndian.PutUint32(dst[0:], v.Generation)
	binary.BigEndian.PutUint32(dst[4:], uint32(v.Partition)^1<<31)
	binary.BigEndian.PutUint64(dst[8:], uint64(v.Offset)^1<<63)
	binary.BigEndian.PutUint32(dst[16:], v.N)
}

func versionFrom(b []byte) (v views.Version) {
	if len(b) != versionSize {
		return v
	}
	return views.Version{
		Generation: binary.BigEndian.Uint32(b[0:]),
		Partition:  int32(binary.BigEndian.Uint32(b[4:]) ^ 1<<31),
		Offset:     int64(binary.BigEndian.Uint64(b[8:]) ^ 1<<63),
		N:          binary.BigEndian.Uint32(b[16:]),
	}
}

// Progress reads what the last Apply of the entity left.
func (s *Store) Progress(ctx context.Context, entity string) (views.Progress, error) {
	var p views.Progress
	stored := textCell([]byte(tableName(entity, 1)))
	err := s.read(ctx, "progress of "+entity, true, func(r *reader) error {
		err := r.query(`SELECT topic, partition, next FROM "$offsets" WHERE tbl = ? ORDER BY topic, partition`, stored, func(stmt *sqlite.Stmt) {
			p.Offsets = append(p.Offsets, views.Offset{Topic: stmt.ColumnText(0), Partition: stmt.ColumnInt32(1), Next: stmt.ColumnInt64(2)})
		})
		if err != nil {
			return err
		}
		return r.query(`SELECT partition, stream, through, position FROM "$frontiers" WHERE tbl = ? ORDER BY partition, stream`, stored, func(stmt *sqlite.Stmt) {
			f := views.Frontier{Partition: stmt.ColumnInt32(0), Stream: stmt.ColumnText(1)}
			if !stmt.ColumnIsNull(2) {
				f.Through = time.Unix(0, stmt.ColumnInt64(2)).UTC()
			}
			var position [topics.PositionSize]byte
			stmt.ColumnBytes(3, position[:])
			f.Position = position
			p.Frontiers = append(p.Frontiers, f)
		})
	})
	return p, err
}

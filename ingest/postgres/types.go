package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Object ids of the built-in types that have an encoding of their own (pg_type.dat).
const (
	oidBool        = 16
	oidBytea       = 17
	oidInt8        = 20
	oidInt2        = 21
	oidInt4        = 23
	oidOid         = 26
	oidJSON        = 114
	oidFloat4      = 700
	oidFloat8      = 701
	oidDate        = 1082
	oidTime        = 1083
	oidTimestamp   = 1114
	oidTimestamptz = 1184
	oidUUID        = 2950
	oidJSONB       = 3802
)

// A typeRef is a column's type as the catalog and Relation messages give it.
type typeRef struct {
	oid uint32
	mod int32
}

// A pgType is a resolved type: domains are replaced by what they stand on.
type pgType struct {
	oid    uint32   // of the base type; 0 when the type is gone
	text   string   // the type's name with its modifiers: numeric(12,2), timestamptz, int4[], mood
	labels []string // of an enum
	elem   *pgType  // of an array that is written as {…,…}
}

// typeRow is a row of pg_type with what belongs to it.
type typeRow struct {
	oid, base, elem uint32
	name            string
	class           string // typtype
	baseMod         int32
	labels          []string
}

// A typeCatalog resolves types, asking each of them once.
type typeCatalog struct {
	rows map[uint32]typeRow
}

const typeQuery = `
SELECT t.oid, t.typname::text, t.typtype::text, t.typbasetype, t.typtypmod,
       CASE WHEN e.oid IS NOT NULL AND e.typdelim = ',' THEN e.oid ELSE 0 END,
       ARRAY(SELECT l.enumlabel::text FROM pg_catalog.pg_enum l WHERE l.enumtypid = t.oid ORDER BY l.enumsortorder)
FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_type e ON e.typarray = t.oid
WHERE t.oid = ANY($1::oid[])`

// resolve describes types by id and modifier, in order.
func (c *typeCatalog) resolve(ctx context.Context, conn *pgx.Conn, refs []typeRef) ([]pgType, error) {
	if c.rows == nil {
		c.rows = map[uint32]typeRow{}
	}
	var wanted []uint32
	for _, r := range refs {
		wanted = append(wanted, r.oid)
	}
	if err := c.load(ctx, conn, wanted); err != nil {
		return nil, err
	}
	out := make([]pgType, len(refs))
	for i, r := range refs {
		modifiers, err := typeModifiers(ctx, conn, c.base(r))
		if err != nil {
			return nil, err
		}
		out[i] = c.describe(r, modifiers)
	}
	return out, nil
}

// load reads the types and what they are made of, level by level.
func (c *typeCatalog) load(ctx context.Context, conn *pgx.Conn, wanted []uint32) error {
	for len(wanted) > 0 {
		rows, err := conn.Query(ctx, typeQuery, wanted)
		if err != nil {
			return fmt.Errorf("read types: %w", err)
		}
		var next []uint32
		_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (struct{}, error) {
			var t typeRow
			if err := row.Scan(&t.oid, &t.name, &t.class, &t.base, &t.baseMod, &t.elem, &t.labels); err != nil {
				return struct{}{}, err
			}
			c.rows[t.oid] = t
			for _, part := range []uint32{t.base, t.elem} {
				if _, known := c.rows[part]; part != 0 && !known {
					next = append(next, part)
				}
			}
			return struct{}{}, nil
		})
		if err != nil {
			return fmt.Errorf("read types: %w", err)
		}
		wanted = next
	}
	return nil
}

// base follows domains down to a type that is none.
func (c *typeCatalog) base(r typeRef) typeRef {
	for c.rows[r.oid].class == "d" {
		t := c.rows[r.oid]
		r = typeRef{oid: t.base, mod: t.baseMod}
	}
	return r
}

func (c *typeCatalog) describe(r typeRef, modifiers string) pgType {
	r = c.base(r)
	t, ok := c.rows[r.oid]
	if !ok {
		return pgType{text: "unknown"}
	}
	out := pgType{oid: t.oid, text: t.name + modifiers}
	if t.class == "e" {
		out.labels = t.labels
	}
	if t.elem != 0 {
		elem := c.describe(typeRef{oid: t.elem, mod: r.mod}, modifiers)
		out.elem, out.text = &elem, elem.text+"[]"
	}
	return out
}

// typeModifiers gives "(12,2)" for numeric(12,2): what format_type writes in parentheses.
func typeModifiers(ctx context.Context, conn *pgx.Conn, r typeRef) (string, error) {
	if r.mod < 0 || r.oid == 0 {
		return "", nil
	}
	var text string
	if err := conn.QueryRow(ctx, "SELECT pg_catalog.format_type($1, $2)", r.oid, r.mod).Scan(&text); err != nil {
		return "", fmt.Errorf("describe a type: %w", err)
	}
	from, to := strings.IndexByte(text, '('), strings.IndexByte(text, ')')
	if from < 0 || to < from {
		return "", nil
	}
	return text[from : to+1], nil
}

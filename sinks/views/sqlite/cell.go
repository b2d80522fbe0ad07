package sqlite

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"unsafe"

	"zombiezen.com/go/sqlite"

	"tributary/schemas"
)

// A cell is one value in SQLite's own terms. The zero cell is null.
type cell struct {
	kind sqlite.ColumnType // 0 is null
	i    int64
	f    float64
	b    []byte // of text and blob
}

func intCell(v int64) cell   { return cell{kind: sqlite.TypeInteger, i: v} }
func textCell(b []byte) cell { return cell{kind: sqlite.TypeText, b: b} }
func blobCell(b []byte) cell { return cell{kind: sqlite.TypeBlob, b: b} }

// noMatch is a non-null value that no stored one equals.
func noMatch() cell { return textCell(nil) }

// floatCell keeps NaN as text: SQLite would store it as null, and text sorts above all numbers.
func floatCell(v float64) cell {
	if math.IsNaN(v) {
		return textCell([]byte("NaN"))
	}
	return cell{kind: sqlite.TypeFloat, f: v}
}

func (c cell) null() bool { return c.kind == 0 }

func (c cell) bind(stmt *sqlite.Stmt, param int) {
	switch c.kind {
	case sqlite.TypeInteger:
		stmt.BindInt64(param, c.i)
	case sqlite.TypeFloat:
		stmt.BindFloat(param, c.f)
	case sqlite.TypeText:
		stmt.BindText(param, unsafe.String(unsafe.SliceData(c.b), len(c.b))) // SQLite copies it at once
	case sqlite.TypeBlob:
		stmt.BindBytes(param, c.b)
	default:
		stmt.BindNull(param)
	}
}

// readCell reads a column; text and blobs go behind scratch, which it returns.
func readCell(stmt *sqlite.Stmt, col int, scratch []byte) (cell, []byte) {
	switch kind := stmt.ColumnType(col); kind {
	case sqlite.TypeInteger:
		return intCell(stmt.ColumnInt64(col)), scratch
	case sqlite.TypeFloat:
		return cell{kind: kind, f: stmt.ColumnFloat(col)}, scratch
	case sqlite.TypeText, sqlite.TypeBlob:
		start, n := len(scratch), stmt.ColumnLen(col)
		scratch = grow(scratch, n)
		b := scratch[start : start+n : start+n]
		stmt.ColumnBytes(col, b)
		return cell{kind: kind, b: b}, scratch[:start+n]
	}
	return cell{}, scratch
}

func grow(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b
	}
	return append(make([]byte, 0, 2*cap(b)+n), b...)
}

// appendLiteral appends the cell as JSON: the form inside localized columns, cursors and lists
// of arguments. Infinity is 9e999, which SQLite and parseLiteral read as such; blobs are hex.
func (c cell) appendLiteral(dst []byte) []byte {
	switch c.kind {
	case sqlite.TypeInteger:
		return strconv.AppendInt(dst, c.i, 10)
	case sqlite.TypeFloat:
		switch {
		case math.IsInf(c.f, 1):
			return append(dst, "9e999"...)
		case math.IsInf(c.f, -1):
			return append(dst, "-9e999"...)
		}
		return strconv.AppendFloat(dst, c.f, 'g', -1, 64)
	case sqlite.TypeText:
		return schemas.AppendQuoted(dst, c.b)
	case sqlite.TypeBlob:
		dst = append(dst, '"')
		return append(hex.AppendEncode(dst, c.b), '"')
	}
	return append(dst, "null"...)
}

// parseLiteral is appendLiteral's inverse for a value of the given affinity.
func parseLiteral(tok json.Token, affinity string) (cell, error) {
	switch v := tok.(type) {
	case nil:
		return cell{}, nil
	case json.Number:
		if affinity == "INTEGER" {
			i, err := v.Int64()
			return intCell(i), err
		}
		f, err := strconv.ParseFloat(v.String(), 64)
		if affinity == "REAL" && (err == nil || math.IsInf(f, 0)) {
			return floatCell(f), nil
		}
	case string:
		switch affinity {
		case "BLOB":
			b, err := hex.DecodeString(v)
			return blobCell(b), err
		case "TEXT":
			return textCell([]byte(v)), nil
		case "REAL":
			if v == "NaN" {
				return textCell([]byte(v)), nil
			}
		}
	}
	return cell{}, fmt.Errorf("%v is no %s", tok, affinity)
}

// parseCursor reads the JSON array of a cursor, one affinity a member.
func parseCursor(text []byte, affinities []string) ([]cell, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if tok, err := dec.Token(); err != nil || tok != json.Delim('[') {
		return nil, fmt.Errorf("cursor is not a JSON array")
	}
	cells := make([]cell, len(affinities))
	for i, affinity := range affinities {
		tok, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("cursor has not the %d members of this order", len(affinities))
		}
		if cells[i], err = parseLiteral(tok, affinity); err != nil {
			return nil, fmt.Errorf("cursor, member %d: %w", i+1, err)
		}
	}
	if tok, err := dec.Token(); err != nil || tok != json.Delim(']') {
		return nil, fmt.Errorf("cursor has not the %d members of this order", len(affinities))
	}
	if dec.More() {
		return nil, fmt.Errorf("text behind the cursor")
	}
	return cells, nil
}

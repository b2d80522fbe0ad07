package sqlite

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"tributary/mesh"
	"tributary/schemas"
)

// A codec says how values of one type are kept in a column.
type codec interface {
	// decode reads one Avro value; text and blobs may point into the body.
	decode(r *schemas.Reader) (cell, error)
	// render appends a non-null stored value as the JSON of answers.
	render(dst []byte, c cell) []byte
	// parse reads an argument. One between two stored values is rounded so that a comparison
	// with the result has the same outcome; in exact mode it becomes noMatch.
	parse(text string, round rounding) (cell, error)
}

// A rounding says which neighbour stands for an argument finer than the stored values.
type rounding uint8

const (
	exact rounding = iota
	floor
	ceil
)

// A storage is a codec with its column's SQL type, and a name by which Define sees changes.
type storage struct {
	codec
	affinity string
	name     string
	// raw: the text is JSON already. text: the text is a string and sorts, searches as such.
	raw, text bool
}

func storageOf(t mesh.Type) storage {
	switch t.Kind {
	case mesh.Int:
		return storage{codec: longCodec{}, affinity: "INTEGER", name: "int"}
	case mesh.Float:
		return storage{codec: floatCodec{}, affinity: "REAL", name: "float"}
	case mesh.Bool:
		return storage{codec: boolCodec{}, affinity: "INTEGER", name: "bool"}
	case mesh.Decimal:
		if t.Precision <= smallDigits {
			return storage{codec: decimalCodec{t.Scale}, affinity: "INTEGER", name: fmt.Sprintf("decimal(≤%d,%d)", smallDigits, t.Scale)}
		}
		return storage{codec: bigDecimalCodec{t.Scale}, affinity: "TEXT", name: fmt.Sprintf("decimal(>%d,%d)", smallDigits, t.Scale)}
	case mesh.Timestamp:
		return storage{codec: timestampCodec{}, affinity: "INTEGER", name: "timestamp"}
	case mesh.Date:
		return storage{codec: dateCodec{}, affinity: "INTEGER", name: "date"}
	case mesh.Bytes:
		return storage{codec: bytesCodec{}, affinity: "BLOB", name: "bytes"}
	case mesh.JSON:
		return storage{codec: jsonCodec{}, affinity: "TEXT", name: "json", raw: true}
	case mesh.List:
		elem := storageOf(*t.Elem)
		return storage{codec: listCodec{elem}, affinity: "TEXT", name: "list<" + elem.name + ">", raw: true}
	}
	return storage{codec: textCodec{}, affinity: "TEXT", name: "text", text: true}
}

type textCodec struct{}

func (textCodec) decode(r *schemas.Reader) (cell, error)   { return textCell(r.Bytes()), r.Err() }
func (textCodec) render(dst []byte, c cell) []byte         { return appendQuoted(dst, c.b) }
func (textCodec) parse(s string, _ rounding) (cell, error) { return textCell([]byte(s)), nil }

type longCodec struct{}

func (longCodec) decode(r *schemas.Reader) (cell, error) { return intCell(r.Long()), r.Err() }

// render quotes what a JavaScript number would lose (architecture, section 8).
func (longCodec) render(dst []byte, c cell) []byte {
	const most = 1 << 53
	if c.i <= most && c.i >= -most {
		return strconv.AppendInt(dst, c.i, 10)
	}
	return append(strconv.AppendInt(append(dst, '"'), c.i, 10), '"')
}

func (longCodec) parse(s string, _ rounding) (cell, error) {
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return cell{}, errors.New("not an integer of 64 bits")
	}
	return intCell(v), nil
}

type floatCodec struct{}

func (floatCodec) decode(r *schemas.Reader) (cell, error) { return floatCell(r.Double()), r.Err() }

func (floatCodec) render(dst []byte, c cell) []byte {
	v := c.f
	switch {
	case len(c.b) > 0:
		return append(dst, `"NaN"`...)
	case math.IsInf(v, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(v, -1):
		return append(dst, `"-Infinity"`...)
	case c.i != 0: // a localized float without fraction, read back as an integer
		v = float64(c.i)
	}
	if abs := math.Abs(v); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		return strconv.AppendFloat(dst, v, 'e', -1, 64)
	}
	return strconv.AppendFloat(dst, v, 'f', -1, 64)
}

func (floatCodec) parse(s string, _ rounding) (cell, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return cell{}, errors.New("not a number")
	}
	return floatCell(v), nil
}

type boolCodec struct{}

func (boolCodec) decode(r *schemas.Reader) (cell, error) { return boolCell(r.Bool()), r.Err() }
func (boolCodec) render(dst []byte, c cell) []byte       { return strconv.AppendBool(dst, c.i != 0) }

func (boolCodec) parse(s string, _ rounding) (cell, error) {
	if s != "true" && s != "false" {
		return cell{}, errors.New("neither true nor false")
	}
	return boolCell(s == "true"), nil
}

func boolCell(v bool) cell {
	if v {
		return intCell(1)
	}
	return intCell(0)
}

// A timestampCodec keeps microseconds since 1970.
type timestampCodec struct{}

func (timestampCodec) decode(r *schemas.Reader) (cell, error) { return intCell(r.Long()), r.Err() }

func (timestampCodec) render(dst []byte, c cell) []byte {
	dst = append(dst, '"')
	dst = time.UnixMicro(c.i).UTC().AppendFormat(dst, "2006-01-02T15:04:05.999999Z07:00")
	return append(dst, '"')
}

func (timestampCodec) parse(s string, round rounding) (cell, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return cell{}, errors.New("not a time such as 2026-01-31T12:00:00Z")
	}
	v := t.UnixMicro() // rounds down
	switch rest := t.Nanosecond() % 1000; {
	case rest == 0:
	case round == exact:
		return noMatch(), nil
	case round == ceil:
		v++
	}
	return intCell(v), nil
}

const secondsOfDay = 24 * 60 * 60

// A dateCodec keeps days since 1970.
type dateCodec struct{}

func (dateCodec) decode(r *schemas.Reader) (cell, error) { return intCell(r.Long()), r.Err() }

func (dateCodec) render(dst []byte, c cell) []byte {
	dst = append(dst, '"')
	return append(time.Unix(c.i*secondsOfDay, 0).UTC().AppendFormat(dst, time.DateOnly), '"')
}

func (dateCodec) parse(s string, _ rounding) (cell, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return cell{}, errors.New("not a date such as 2026-01-31")
	}
	return intCell(t.Unix() / secondsOfDay), nil
}

type bytesCodec struct{}

func (bytesCodec) decode(r *schemas.Reader) (cell, error) { return blobCell(r.Bytes()), r.Err() }

func (bytesCodec) render(dst []byte, c cell) []byte {
	return append(base64.StdEncoding.AppendEncode(append(dst, '"'), c.b), '"')
}

func (bytesCodec) parse(s string, _ rounding) (cell, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return cell{}, errors.New("not base64")
	}
	return blobCell(b), nil
}

// A jsonCodec keeps JSON without insignificant space.
type jsonCodec struct{}

func (jsonCodec) decode(r *schemas.Reader) (cell, error) {
	var out bytes.Buffer
	if err := json.Compact(&out, r.Bytes()); err != nil && r.Err() == nil {
		return cell{}, errors.New("not JSON")
	}
	return textCell(out.Bytes()), r.Err()
}

func (jsonCodec) render(dst []byte, c cell) []byte { return append(dst, c.b...) }

func (jsonCodec) parse(s string, _ rounding) (cell, error) {
	var out bytes.Buffer
	if err := json.Compact(&out, []byte(s)); err != nil {
		return cell{}, errors.New("not JSON")
	}
	return textCell(out.Bytes()), nil
}

// A listCodec keeps a list as the JSON of answers.
type listCodec struct{ elem storage }

func (l listCodec) decode(r *schemas.Reader) (cell, error) {
	out := []byte{'['}
	err := eachItem(r, func() error {
		c, err := l.elem.decode(r)
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = l.elem.render(out, c)
		return err
	})
	return textCell(append(out, ']')), err
}

func (listCodec) render(dst []byte, c cell) []byte { return append(dst, c.b...) }

func (listCodec) parse(string, rounding) (cell, error) {
	return cell{}, errors.New("lists can only be tested for null")
}

// eachItem walks the blocks of an Avro array or map.
func eachItem(r *schemas.Reader, item func() error) error {
	for {
		n := r.Long()
		if n < 0 { // a block with its size in bytes
			n = -n
			r.Long()
		}
		if n == 0 || r.Err() != nil {
			return r.Err()
		}
		for ; n > 0; n-- {
			if err := item(); err != nil {
				return err
			}
			if r.Err() != nil {
				return r.Err()
			}
		}
	}
}

package sqlite

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"zombiezen.com/go/sqlite"

	"tributary/mesh"
	"tributary/schemas"
)

// A codec says how values of one type are kept in a column.
type codec interface {
	// decode reads a whole Avro value; text and blobs may point into it.
	decode(avro []byte) (cell, error)
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
	// raw: the text is JSON already. text: the text is a string and is searched as such. list:
	// there is nothing to compare it with.
	raw, text, list bool
}

func storageOf(t mesh.Type) storage {
	switch t.Kind {
	case mesh.Int:
		return storage{codec: longCodec{t}, affinity: "INTEGER", name: "int"}
	case mesh.Float:
		return storage{codec: floatCodec{}, affinity: "REAL", name: "float"}
	case mesh.Bool:
		return storage{codec: boolCodec{}, affinity: "INTEGER", name: "bool"}
	case mesh.Decimal:
		if t.Precision <= smallDigits {
			return storage{codec: decimalCodec{t.Scale}, affinity: "INTEGER", name: fmt.Sprintf("decimal(≤%d,%d)", smallDigits, t.Scale)}
		}
		return storage{codec: bigDecimalCodec{t.Scale}, affinity: "TEXT", name: fmt.Sprintf("decimal(>%d,%d)", smallDigits, t.Scale)}
	case mesh.Timestamp, mesh.Date:
		return storage{codec: longCodec{t}, affinity: "INTEGER", name: t.Kind.String()}
	case mesh.Bytes:
		return storage{codec: bytesCodec{}, affinity: "BLOB", name: "bytes"}
	case mesh.JSON:
		return storage{codec: jsonCodec{t}, affinity: "TEXT", name: "json", raw: true}
	case mesh.List:
		return storage{codec: jsonCodec{t}, affinity: "TEXT", name: "list<" + storageOf(*t.Elem).name + ">", raw: true, list: true}
	}
	return storage{codec: textCodec{t}, affinity: "TEXT", name: "text", text: true}
}

// whole gives what was read from an Avro value, unless the value is damaged.
func whole(r *schemas.Reader, c cell) (cell, error) {
	switch {
	case r.Err() != nil:
		return cell{}, r.Err()
	case len(r.Rest()) > 0:
		return cell{}, schemas.ErrTrailing
	}
	return c, nil
}

// A textCodec keeps strings, enums and UUIDs.
type textCodec struct{ t mesh.Type }

func (textCodec) decode(avro []byte) (cell, error) {
	r := schemas.NewReader(avro)
	b := r.Bytes()
	return whole(&r, textCell(b))
}

func (textCodec) render(dst []byte, c cell) []byte { return schemas.AppendQuoted(dst, c.b) }

func (k textCodec) parse(text string, _ rounding) (cell, error) {
	if k.t.Kind != mesh.UUID {
		return textCell([]byte(text)), nil
	}
	avro, err := schemas.ParseText(nil, k.t, text) // in any case, with or without dashes
	if err != nil {
		return cell{}, err
	}
	return k.decode(avro)
}

// A longCodec keeps what Avro has as a long: integers, microseconds and days since 1970.
type longCodec struct{ t mesh.Type }

func (longCodec) decode(avro []byte) (cell, error) {
	r := schemas.NewReader(avro)
	v := r.Long()
	return whole(&r, intCell(v))
}

func (k longCodec) render(dst []byte, c cell) []byte {
	var avro [binary.MaxVarintLen64]byte
	return renderAvro(dst, k.t, schemas.AppendLong(avro[:0], c.i))
}

func (k longCodec) parse(text string, round rounding) (cell, error) {
	avro, err := schemas.ParseText(nil, k.t, text)
	if err == nil {
		return k.decode(avro)
	}
	t, finer := time.Parse(time.RFC3339Nano, text)
	if k.t.Kind != mesh.Timestamp || finer != nil {
		return cell{}, err
	}
	switch round { // a time finer than microseconds
	case exact:
		return noMatch(), nil
	case ceil:
		return intCell(t.UnixMicro() + 1), nil
	}
	return intCell(t.UnixMicro()), nil
}

// renderAvro appends a value as every room prints it, null where the type cannot hold it.
func renderAvro(dst []byte, t mesh.Type, avro []byte) []byte {
	out, err := schemas.AppendJSON(dst, t, avro)
	if err != nil {
		return append(dst, "null"...)
	}
	return out
}

type floatCodec struct{}

func (floatCodec) decode(avro []byte) (cell, error) {
	r := schemas.NewReader(avro)
	v := r.Double()
	return whole(&r, floatCell(v))
}

func (floatCodec) render(dst []byte, c cell) []byte {
	v := c.f
	switch c.kind {
	case sqlite.TypeText:
		v = math.NaN()
	case sqlite.TypeInteger: // a localized float without fraction
		v = float64(c.i)
	}
	var avro [8]byte
	return renderAvro(dst, mesh.Type{Kind: mesh.Float}, schemas.AppendDouble(avro[:0], v))
}

func (floatCodec) parse(text string, _ rounding) (cell, error) {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return cell{}, errors.New("not a number")
	}
	return floatCell(v), nil
}

type boolCodec struct{}

func (boolCodec) decode(avro []byte) (cell, error) {
	r := schemas.NewReader(avro)
	v := r.Bool()
	return whole(&r, boolCell(v))
}

func (boolCodec) render(dst []byte, c cell) []byte { return strconv.AppendBool(dst, c.i != 0) }

func (boolCodec) parse(text string, _ rounding) (cell, error) {
	if text != "true" && text != "false" {
		return cell{}, errors.New("neither true nor false")
	}
	return boolCell(text == "true"), nil
}

func boolCell(v bool) cell {
	if v {
		return intCell(1)
	}
	return intCell(0)
}

type bytesCodec struct{}

func (bytesCodec) decode(avro []byte) (cell, error) {
	r := schemas.NewReader(avro)
	b := r.Bytes()
	return whole(&r, blobCell(b))
}

func (bytesCodec) render(dst []byte, c cell) []byte {
	return append(base64.StdEncoding.AppendEncode(append(dst, '"'), c.b), '"')
}

func (bytesCodec) parse(text string, _ rounding) (cell, error) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return cell{}, errors.New("not base64")
	}
	return blobCell(b), nil
}

// A jsonCodec keeps JSON and lists as the JSON of answers.
type jsonCodec struct{ t mesh.Type }

func (k jsonCodec) decode(avro []byte) (cell, error) {
	text, err := schemas.AppendJSON(nil, k.t, avro)
	return textCell(text), err
}

func (jsonCodec) render(dst []byte, c cell) []byte { return append(dst, c.b...) }

func (k jsonCodec) parse(text string, _ rounding) (cell, error) {
	return k.decode(schemas.AppendString(nil, text))
}

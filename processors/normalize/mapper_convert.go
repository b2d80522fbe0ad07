package normalize

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"time"

	"tributary/mesh"
	"tributary/schemas"
)

// Reasons why a value does not fit its field. They tell nothing of the value (I11).
var (
	errNoValue   = errors.New("the column holds a structure that no field takes")
	errMisfit    = errors.New("a value of this type does not fit the field's")
	errInfinite  = errors.New("it is infinite")
	errTimeOfDay = errors.New("it has a time of day")
	errNullItem  = errors.New("the list holds a null")
	errNested    = errors.New("the array has more than one dimension, or does not begin at 1")
)

// appendValue appends a source's value (Avro, of type w) as a value of a field's type.
func appendValue(dst []byte, t mesh.Type, w *wireType, v []byte) ([]byte, error) {
	r := schemas.NewReader(v)
	switch w.means {
	case meansText, meansTextTime:
		return appendText(dst, t, r.Bytes(), w.means)
	case meansTextNumber:
		return appendNumber(dst, t, r.Bytes())
	case meansBool:
		return appendBool(dst, t, r.Bool())
	case meansInt:
		return appendInt(dst, t, r.Long())
	case meansFloat:
		return appendFloat(dst, t, w.float(v))
	case meansBytes:
		if t.Kind == mesh.Bytes {
			return schemas.AppendBytes(dst, w.raw(v)), nil
		}
	case meansDecimal:
		return appendDecimal(dst, t, w.raw(v), w.scale)
	case meansVariableDecimal:
		scale := r.Long()
		return appendDecimal(dst, t, r.Bytes(), int(scale))
	case meansMillis, meansMicros, meansNanos:
		micros, err := w.micros(r.Long())
		if err != nil {
			return dst, err
		}
		return appendMicros(dst, t, micros)
	case meansDays:
		return appendDays(dst, t, r.Long())
	case meansSymbol:
		if n := r.Long(); n >= 0 && n < int64(len(w.symbols)) {
			return appendText(dst, t, []byte(w.symbols[n]), meansText)
		}
	case meansList:
		return appendList(dst, t, w, v)
	case meansNothing:
		return dst, errNoValue
	}
	return dst, errMisfit
}

// raw gives the bytes of bytes or fixed.
func (t *wireType) raw(v []byte) []byte {
	if t.kind == wireFixed {
		return v
	}
	r := schemas.NewReader(v)
	return r.Bytes()
}

func (t *wireType) float(v []byte) float64 {
	r := schemas.NewReader(v)
	if t.kind == wireFloat {
		f := r.Float()
		// The shortest decimal of a float32, so that 0.1 stays 0.1.
		wide, err := strconv.ParseFloat(strconv.FormatFloat(float64(f), 'g', -1, 32), 64)
		if err == nil {
			return wide
		}
		return float64(f)
	}
	return r.Double()
}

// micros gives microseconds since 1970; digits beyond them are cut off.
func (t *wireType) micros(v int64) (int64, error) {
	switch {
	case v == math.MaxInt64 || v == math.MinInt64:
		return 0, errInfinite
	case t.means == meansNanos:
		return time.Unix(0, v).UnixMicro(), nil
	case t.means == meansMillis:
		if v > math.MaxInt64/1000 || v < math.MinInt64/1000 {
			return 0, errInfinite
		}
		return v * 1000, nil
	}
	return v, nil
}

func appendText(dst []byte, t mesh.Type, text []byte, means meaning) ([]byte, error) {
	switch t.Kind {
	case mesh.String:
		return schemas.AppendBytes(dst, text), nil
	case mesh.JSON:
		if means == meansTextTime {
			return appendQuoted(dst, text)
		}
	case mesh.Timestamp, mesh.Date:
		return appendTextTime(dst, t, text)
	case mesh.List:
		return dst, errNested
	}
	return schemas.ParseText(dst, t, string(text))
}

func appendQuoted(dst, text []byte) ([]byte, error) {
	quoted, err := schemas.AppendJSON(nil, mesh.Type{Kind: mesh.String}, schemas.AppendBytes(nil, text))
	return schemas.AppendBytes(dst, quoted), err
}

// appendTextTime reads a time or a date, whichever the text holds, for a field of either type.
func appendTextTime(dst []byte, t mesh.Type, text []byte) ([]byte, error) {
	isDate := len(text) == len(time.DateOnly)
	read := mesh.Type{Kind: mesh.Timestamp}
	if isDate {
		read.Kind = mesh.Date
	}
	var few [16]byte
	v, err := schemas.ParseText(few[:0], read, string(text))
	if err != nil {
		if t.Kind != read.Kind { // a date in another notation, such as one BC
			return schemas.ParseText(dst, t, string(text))
		}
		return dst, err
	}
	r := schemas.NewReader(v)
	if isDate {
		return appendDays(dst, t, r.Long())
	}
	return appendMicros(dst, t, r.Long())
}

// appendNumber appends text that holds a number. A whole number may be written with a point.
func appendNumber(dst []byte, t mesh.Type, text []byte) ([]byte, error) {
	if t.Kind == mesh.String {
		return schemas.AppendBytes(dst, text), nil
	}
	if t.Kind == mesh.Int && bytes.IndexByte(text, '.') >= 0 {
		text = bytes.TrimSuffix(bytes.TrimRight(text, "0"), []byte("."))
	}
	return schemas.ParseText(dst, t, string(text))
}

func appendBool(dst []byte, t mesh.Type, v bool) ([]byte, error) {
	switch t.Kind {
	case mesh.Bool:
		return schemas.AppendBool(dst, v), nil
	case mesh.String, mesh.JSON:
		return schemas.AppendString(dst, strconv.FormatBool(v)), nil
	}
	return dst, errMisfit
}

func appendInt(dst []byte, t mesh.Type, v int64) ([]byte, error) {
	switch t.Kind {
	case mesh.Int:
		return schemas.AppendLong(dst, v), nil
	case mesh.Float:
		return schemas.AppendDouble(dst, float64(v)), nil
	}
	var few [20]byte
	return appendNumber(dst, t, strconv.AppendInt(few[:0], v, 10))
}

func appendFloat(dst []byte, t mesh.Type, v float64) ([]byte, error) {
	if t.Kind == mesh.Float {
		if math.IsNaN(v) {
			v = math.NaN() // one NaN, so that equal values have equal bytes
		}
		return schemas.AppendDouble(dst, v), nil
	}
	var few [32]byte
	return appendNumber(dst, t, strconv.AppendFloat(few[:0], v, 'f', -1, 64))
}

// maxScale bounds the digits that a variable decimal can ask for.
const maxScale = 1000

func appendDecimal(dst []byte, t mesh.Type, unscaled []byte, scale int) ([]byte, error) {
	if scale < 0 || scale > maxScale {
		return dst, schemas.ErrDecimal
	}
	var few [48]byte
	text, err := schemas.AppendDecimalText(few[:0], unscaled, scale)
	if err != nil {
		return dst, err
	}
	return appendNumber(dst, t, text)
}

const microsADay = 24 * 60 * 60 * 1_000_000

func appendMicros(dst []byte, t mesh.Type, micros int64) ([]byte, error) {
	if micros >= schemas.TimestampInfinity || micros <= schemas.TimestampNegativeInfinity {
		return dst, errInfinite
	}
	switch t.Kind {
	case mesh.Timestamp:
		return schemas.AppendLong(dst, micros), nil
	case mesh.Date:
		if micros%microsADay != 0 {
			return dst, errTimeOfDay
		}
		return schemas.AppendLong(dst, micros/microsADay), nil
	}
	return appendTime(dst, t, mesh.Timestamp, micros)
}

func appendDays(dst []byte, t mesh.Type, days int64) ([]byte, error) {
	if days >= schemas.DateInfinity || days <= schemas.DateNegativeInfinity {
		return dst, errInfinite
	}
	switch t.Kind {
	case mesh.Date:
		return schemas.AppendLong(dst, days), nil
	case mesh.Timestamp:
		if days > math.MaxInt64/microsADay || days < math.MinInt64/microsADay {
			return dst, errInfinite
		}
		return schemas.AppendLong(dst, days*microsADay), nil
	}
	return appendTime(dst, t, mesh.Date, days)
}

// appendTime writes a time as text: RFC 3339, quoted for JSON.
func appendTime(dst []byte, t mesh.Type, kind mesh.Kind, v int64) ([]byte, error) {
	quoted, err := schemas.AppendJSON(nil, mesh.Type{Kind: kind}, schemas.AppendLong(nil, v))
	switch {
	case err != nil:
		return dst, err
	case t.Kind == mesh.JSON:
		return schemas.AppendBytes(dst, quoted), nil
	case t.Kind == mesh.String:
		return schemas.AppendBytes(dst, quoted[1:len(quoted)-1]), nil
	}
	return dst, errMisfit
}

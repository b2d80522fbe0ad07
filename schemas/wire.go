package schemas

import (
	"encoding/binary"
	"errors"
	"math"
)

// FrameSize is the length of Confluent's frame: magic 0 and a 4-byte schema id.
const FrameSize = 5

// ErrShort is returned when an Avro body ends before its schema does, or holds an impossible
// length. The record is damaged or was written with another schema.
var ErrShort = errors.New("avro body is shorter than its schema says")

// ErrFrame is returned for a record that does not start with Confluent's frame.
var ErrFrame = errors.New("record is not in Confluent's wire format (magic byte 0 and schema id)")

// AppendFrame appends the frame of a schema id.
func AppendFrame(dst []byte, id int) []byte {
	return append(dst, 0, byte(id>>24), byte(id>>16), byte(id>>8), byte(id))
}

// Unframe splits a record into schema id and Avro body.
func Unframe(rec []byte) (id int, body []byte, err error) {
	if len(rec) < FrameSize || rec[0] != 0 {
		return 0, nil, ErrFrame
	}
	return int(binary.BigEndian.Uint32(rec[1:])), rec[FrameSize:], nil
}

// AppendLong appends an Avro int or long (zigzag varint).
func AppendLong(dst []byte, v int64) []byte {
	u := uint64(v<<1) ^ uint64(v>>63)
	for u >= 0x80 {
		dst = append(dst, byte(u)|0x80)
		u >>= 7
	}
	return append(dst, byte(u))
}

// AppendString appends an Avro string.
func AppendString(dst []byte, s string) []byte {
	return append(AppendLong(dst, int64(len(s))), s...)
}

// AppendBytes appends Avro bytes (or a string held as bytes).
func AppendBytes(dst, b []byte) []byte { return append(AppendLong(dst, int64(len(b))), b...) }

// AppendBool appends an Avro boolean.
func AppendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// AppendDouble appends an Avro double.
func AppendDouble(dst []byte, v float64) []byte {
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(v))
}

// AppendFloat appends an Avro float.
func AppendFloat(dst []byte, v float32) []byte {
	return binary.LittleEndian.AppendUint32(dst, math.Float32bits(v))
}

// A Reader walks an Avro body. Its first error sticks: the methods then give zero values, and
// the caller looks at Err once at the end.
type Reader struct {
	buf []byte
	err error
}

// NewReader reads from an Avro body; slices that it gives out point into buf.
func NewReader(buf []byte) Reader { return Reader{buf: buf} }

// Err is the first error, nil while all was well.
func (r *Reader) Err() error { return r.err }

// Rest is what has not been read.
func (r *Reader) Rest() []byte { return r.buf }

func (r *Reader) fail() { r.buf, r.err = nil, ErrShort }

// Long reads an Avro int or long.
func (r *Reader) Long() int64 {
	var u uint64
	for i, shift := 0, 0; i < len(r.buf) && shift < 64; i, shift = i+1, shift+7 {
		b := r.buf[i]
		u |= uint64(b&0x7f) << shift
		if b < 0x80 {
			r.buf = r.buf[i+1:]
			return int64(u>>1) ^ -int64(u&1)
		}
	}
	r.fail()
	return 0
}

// Bytes reads Avro bytes or a string; the slice points into the body.
func (r *Reader) Bytes() []byte {
	n := r.Long()
	if r.err != nil || n < 0 || n > int64(len(r.buf)) {
		r.fail()
		return nil
	}
	return r.Fixed(int(n))
}

// String reads an Avro string into memory of its own.
func (r *Reader) String() string { return string(r.Bytes()) }

// Fixed reads n bytes; the slice points into the body.
func (r *Reader) Fixed(n int) []byte {
	if n > len(r.buf) {
		r.fail()
		return nil
	}
	b := r.buf[:n:n]
	r.buf = r.buf[n:]
	return b
}

// Bool reads an Avro boolean.
func (r *Reader) Bool() bool {
	b := r.Fixed(1)
	return len(b) == 1 && b[0] != 0
}

// Double reads an Avro double.
func (r *Reader) Double() float64 {
	b := r.Fixed(8)
	if b == nil {
		return 0
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(b))
}

// Float reads an Avro float.
func (r *Reader) Float() float32 {
	b := r.Fixed(4)
	if b == nil {
		return 0
	}
	return math.Float32frombits(binary.LittleEndian.Uint32(b))
}

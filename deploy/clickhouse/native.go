package clickhouse

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Revisions of the client protocol from which the Native format has more bytes
// (ClickHouse's ProtocolDefines.h).
const (
	revisionBlockInfo     = 51903
	revisionSerialization = 54454
)

// blockInfo is the block info that stands before each block: field 1 is_overflows = 0, field 2
// bucket_num = -1, end.
var blockInfo = []byte{1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0}

var errNativeShort = errors.New("native block ends before its columns do")

// A cut is a place in Native bytes of revision 0 where a newer revision has bytes of its own.
type cut struct {
	at         int
	blockStart bool // else: behind a column's type
}

// cutsOf walks Native blocks of revision 0, which is what the library writes, and finds the
// places where a client of the HTTP protocol (client_protocol_version) expects block info and the
// mark of a column's serialization. The columns' own bytes are the same in both.
func cutsOf(native []byte) ([]cut, error) {
	r := nativeReader{buf: native}
	var cuts []cut
	for r.at < len(native) {
		cuts = append(cuts, cut{at: r.at, blockStart: true})
		columns, rows := r.uvarint(), r.uvarint()
		for i := 0; i < columns && r.err == nil; i++ {
			r.string()
			name := r.string()
			cuts = append(cuts, cut{at: r.at})
			if rows == 0 {
				continue
			}
			t, err := parseType(string(name))
			if err != nil {
				return nil, err
			}
			t.prefix(&r)
			t.skip(&r, rows)
		}
		if r.err != nil {
			return nil, r.err
		}
	}
	return cuts, nil
}

// writeNative writes Native bytes of revision 0 as the revision of the client has them.
func writeNative(w io.Writer, native []byte, cuts []cut, revision int) error {
	from := 0
	for _, c := range cuts {
		if _, err := w.Write(native[from:c.at]); err != nil {
			return err
		}
		from = c.at
		var extra []byte
		switch {
		case c.blockStart && revision >= revisionBlockInfo:
			extra = blockInfo
		case !c.blockStart && revision >= revisionSerialization:
			extra = []byte{0}
		}
		if _, err := w.Write(extra); err != nil {
			return err
		}
	}
	_, err := w.Write(native[from:])
	return err
}

// nativeReader walks Native bytes; its first error sticks.
type nativeReader struct {
	buf []byte
	at  int
	err error
}

// take passes n bytes and gives them.
func (r *nativeReader) take(n int) []byte {
	if r.err != nil || n < 0 || n > len(r.buf)-r.at {
		r.at, r.err = len(r.buf), errNativeShort
		return nil
	}
	r.at += n
	return r.buf[r.at-n : r.at]
}

// takeEach passes n values of size bytes.
func (r *nativeReader) takeEach(n, size int) []byte {
	if n < 0 || size > 0 && n > len(r.buf)/size {
		r.at, r.err = len(r.buf), errNativeShort
		return nil
	}
	return r.take(n * size)
}

// uvarint gives a count, which is bounded by what an int holds.
func (r *nativeReader) uvarint() int {
	v, n := binary.Uvarint(r.buf[r.at:])
	if n <= 0 || v > 1<<48 {
		r.at, r.err = len(r.buf), errNativeShort
		return 0
	}
	r.at += n
	return int(v)
}

func (r *nativeReader) uint64() int {
	b := r.take(8)
	if b == nil {
		return 0
	}
	v := binary.LittleEndian.Uint64(b)
	if v > 1<<48 {
		r.at, r.err = len(r.buf), errNativeShort
		return 0
	}
	return int(v)
}

func (r *nativeReader) string() []byte { return r.take(r.uvarint()) }

// prefix passes the state that stands before a column's values.
func (t *nativeType) prefix(r *nativeReader) {
	switch t.kind {
	case kindLowCardinality:
		r.take(8) // version of the keys' serialization
	case kindJSON:
		if version := r.uint64(); version != 1 && r.err == nil {
			r.err = fmt.Errorf("JSON column is not written as strings (serialization %d): set output_format_native_write_json_as_string=1", version)
		}
	default:
		for i := range t.elems {
			t.elems[i].prefix(r)
		}
	}
}

// skip passes n values.
func (t *nativeType) skip(r *nativeReader, n int) {
	switch t.kind {
	case kindFixed:
		r.takeEach(n, t.size)
	case kindString, kindJSON:
		for i := 0; i < n && r.err == nil; i++ {
			r.string()
		}
	case kindNullable:
		r.take(n)
		t.elems[0].skip(r, n)
	case kindArray:
		if offsets := r.takeEach(n, 8); len(offsets) > 0 {
			last := nativeReader{buf: offsets[len(offsets)-8:]}
			t.elems[0].skip(r, last.uint64())
		}
	case kindTuple:
		for i := range t.elems {
			t.elems[i].skip(r, n)
		}
	case kindLowCardinality:
		t.skipLowCardinality(r, n)
	}
}

// skipLowCardinality passes dictionaries with their keys until n rows are through
// (SerializationLowCardinality.cpp).
func (t *nativeType) skipLowCardinality(r *nativeReader, n int) {
	const hasAdditionalKeys = 1 << 9
	for n > 0 && r.err == nil {
		flags := r.uint64()
		if flags&0xff > 3 {
			r.err = fmt.Errorf("LowCardinality column has an unknown index type %d", flags&0xff)
			return
		}
		if flags&hasAdditionalKeys != 0 {
			t.elems[0].skip(r, r.uint64())
		}
		rows := r.uint64()
		if rows == 0 || rows > n {
			r.err = errNativeShort
			return
		}
		r.takeEach(rows, 1<<(flags&0xff))
		n -= rows
	}
}

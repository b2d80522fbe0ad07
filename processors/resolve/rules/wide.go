package rules

import (
	"math/bits"

	"tributary/schemas"
)

// wide is a 192-bit integer in two's complement, lowest word first: room for 2^64 decimals of 38
// digits, so that a sum is exact whatever it passes through. // I2
type wide [3]uint64

func wideOfInt(v int64) wide {
	sign := uint64(v >> 63)
	return wide{uint64(v), sign, sign}
}

// wideOf reads a decimal's bytes: big-endian two's complement, at most 24.
func wideOf(b []byte) (w wide) {
	if len(b) == 0 {
		return w
	}
	if b[0]&0x80 != 0 {
		w = wide{^uint64(0), ^uint64(0), ^uint64(0)}
	}
	for _, c := range b {
		w[2] = w[2]<<8 | w[1]>>56
		w[1] = w[1]<<8 | w[0]>>56
		w[0] = w[0]<<8 | uint64(c)
	}
	return w
}

func (w *wide) add(o wide) {
	var carry uint64
	for i := range w {
		w[i], carry = bits.Add64(w[i], o[i], carry)
	}
}

func (w wide) negative() bool { return int64(w[2]) < 0 }

func (w wide) int64() (v int64, ok bool) {
	v = int64(w[0])
	return v, wideOfInt(v) == w
}

// powerOf10 gives 10^digits, for at most 57 digits.
func powerOf10(digits int) wide {
	w := wide{1}
	for range digits {
		twice := w
		twice.add(w)
		w = twice
		w.add(w)
		w.add(w)
		w.add(twice)
	}
	return w
}

// within says whether the number lies strictly between −limit and limit.
func (w wide) within(limit wide) bool {
	if w.negative() {
		w = w.negated()
	}
	less := limit.negated()
	less.add(w)
	return less.negative()
}

func (w wide) negated() wide {
	out := wide{^w[0], ^w[1], ^w[2]}
	out.add(wide{1})
	return out
}

func (w wide) bytes() (b [24]byte) {
	for i := range b {
		b[i] = byte(w[2-i/8] >> (56 - 8*(i%8)))
	}
	return b
}

// appendDecimal appends Avro bytes of the shortest two's complement.
func (w wide) appendDecimal(dst []byte) []byte {
	b := w.bytes()
	short := b[:]
	for len(short) > 1 && (short[0] == 0 && short[1]&0x80 == 0 || short[0] == 0xff && short[1]&0x80 != 0) {
		short = short[1:]
	}
	return schemas.AppendBytes(dst, short)
}

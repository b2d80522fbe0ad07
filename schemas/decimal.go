package schemas

import (
	"errors"
	"math/big"
	"slices"
	"strconv"
)

const (
	// fastBytes is the widest two's complement that one machine word holds: any decimal(p,s)
	// with p ≤ 18, and some above.
	fastBytes = 8
	// maxDecimalBytes bounds what is turned into text, which costs more than linear time; 38
	// digits need 16.
	maxDecimalBytes = 1024
)

// ErrDecimal is returned for a decimal's bytes that no decimal of a field can be.
var ErrDecimal = errors.New("decimal has no bytes, or more than any field's type allows")

// AppendDecimalInt64 appends an unscaled decimal as an Avro value: its length and the shortest
// big-endian two's complement.
func AppendDecimalInt64(dst []byte, unscaled int64) []byte {
	n := 1
	for v := unscaled; v < -128 || v > 127; v >>= 8 {
		n++
	}
	dst = append(dst, byte(n)<<1) // the length as an Avro long
	for n--; n >= 0; n-- {
		dst = append(dst, byte(unscaled>>(8*n)))
	}
	return dst
}

// AppendDecimal appends an unscaled decimal as an Avro value.
func AppendDecimal(dst []byte, unscaled *big.Int) []byte {
	if unscaled.IsInt64() {
		return AppendDecimalInt64(dst, unscaled.Int64())
	}
	if unscaled.Sign() > 0 {
		n := unscaled.BitLen()/8 + 1 // a bit for the sign
		dst = AppendLong(dst, int64(n))
		start := len(dst)
		dst = append(dst, make([]byte, n)...)
		unscaled.FillBytes(dst[start:])
		return dst
	}
	// In two's complement −v is the inversion of v − 1.
	less := new(big.Int).Not(unscaled)
	start := len(dst)
	dst = AppendDecimal(dst, less)
	head := NewReader(dst[start:])
	digits := head.Bytes()
	for i := range digits {
		digits[i] = ^digits[i]
	}
	return dst
}

// DecimalInt64 gives the unscaled value of a decimal in two's complement (an Avro value without
// its length); ok is false if it does not fit.
func DecimalInt64(unscaled []byte) (v int64, ok bool) {
	if len(unscaled) > fastBytes {
		unscaled = shortest(unscaled)
	}
	if len(unscaled) == 0 || len(unscaled) > fastBytes {
		return 0, false
	}
	v = int64(int8(unscaled[0]))
	for _, b := range unscaled[1:] {
		v = v<<8 | int64(b)
	}
	return v, true
}

// DecimalBig gives the unscaled value of a decimal in two's complement.
func DecimalBig(unscaled []byte) *big.Int {
	v := new(big.Int).SetBytes(unscaled)
	if len(unscaled) > 0 && unscaled[0] >= 0x80 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*len(unscaled))))
	}
	return v
}

// shortest drops bytes that repeat the sign.
func shortest(b []byte) []byte {
	for len(b) > 1 && (b[0] == 0 && b[1] < 0x80 || b[0] == 0xff && b[1] >= 0x80) {
		b = b[1:]
	}
	return b
}

// DecimalText gives the text of a decimal in two's complement, with exactly scale digits behind
// the point.
func DecimalText(unscaled []byte, scale int) (string, error) {
	text, err := AppendDecimalText(nil, unscaled, scale)
	return string(text), err
}

// AppendDecimalText appends the text of a decimal in two's complement, with exactly scale digits
// behind the point: "-0.50" for −50 and scale 2.
func AppendDecimalText(dst, unscaled []byte, scale int) ([]byte, error) {
	start := len(dst)
	if v, ok := DecimalInt64(unscaled); ok {
		dst = strconv.AppendInt(dst, v, 10)
	} else {
		if unscaled = shortest(unscaled); len(unscaled) == 0 || len(unscaled) > maxDecimalBytes {
			return dst, ErrDecimal
		}
		dst = DecimalBig(unscaled).Append(dst, 10)
	}
	if scale <= 0 {
		return dst, nil
	}
	if dst[start] == '-' {
		start++
	}
	for missing := scale + 1 - (len(dst) - start); missing > 0; missing-- {
		dst = slices.Insert(dst, start, '0')
	}
	return slices.Insert(dst, len(dst)-scale, '.'), nil
}

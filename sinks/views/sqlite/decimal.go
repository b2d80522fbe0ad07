package sqlite

import (
	"bytes"
	"errors"
	"math/big"
	"strconv"
	"strings"

	"tributary/schemas"
)

// smallDigits is how many digits of a decimal fit an INTEGER column.
const smallDigits = 18

// bigDigits is the widest decimal; wider columns are text of a sign digit and so many digits.
const bigDigits = 38

var (
	errDecimal = errors.New("not a decimal such as -12.50")
	errDigits  = errors.New("decimal has no bytes, or more digits than its type")
)

// A decimalCodec keeps decimals of up to 18 digits as integers, scaled.
type decimalCodec struct{ scale int }

func (decimalCodec) decode(avro []byte) (cell, error) {
	r := schemas.NewReader(avro)
	v, ok := schemas.DecimalInt64(r.Bytes())
	if !ok && r.Err() == nil {
		return cell{}, errDigits
	}
	return whole(&r, intCell(v))
}

func (d decimalCodec) render(dst []byte, c cell) []byte {
	var digits [20]byte
	v := strconv.AppendInt(digits[:0], c.i, 10)
	negative := v[0] == '-'
	if negative {
		v = v[1:]
	}
	return appendScaled(dst, negative, v, d.scale)
}

func (d decimalCodec) parse(text string, round rounding) (cell, error) {
	v, ok, err := parseDecimal(text, d.scale, round)
	if err != nil || !ok {
		return noMatch(), err
	}
	if !v.IsInt64() { // beyond every stored value, on the right side of it
		if v.Sign() < 0 {
			return intCell(-1 << 63), nil
		}
		return intCell(1<<63 - 1), nil
	}
	return intCell(v.Int64()), nil
}

// A bigDecimalCodec keeps wide decimals as text that sorts as they do: "1" and 38 digits, of
// negative ones "0" and the digits' complements to nine.
type bigDecimalCodec struct{ scale int }

func (bigDecimalCodec) decode(avro []byte) (cell, error) {
	const longest = 32 // twice what 38 digits need
	r := schemas.NewReader(avro)
	b := r.Bytes()
	if len(b) == 0 || len(b) > longest {
		return cell{}, errDigits
	}
	text, ok := orderedDigits(schemas.DecimalBig(b))
	if !ok {
		return cell{}, errDigits
	}
	return whole(&r, textCell(text))
}

func (d bigDecimalCodec) render(dst []byte, c cell) []byte {
	if len(c.b) != bigDigits+1 {
		return append(dst, "null"...)
	}
	var digits [bigDigits]byte
	copy(digits[:], c.b[1:])
	negative := c.b[0] == '0'
	if negative {
		complement(digits[:])
	}
	v := bytes.TrimLeft(digits[:bigDigits-1], "0")
	return appendScaled(dst, negative, digits[bigDigits-1-len(v):], d.scale)
}

func (d bigDecimalCodec) parse(text string, round rounding) (cell, error) {
	v, ok, err := parseDecimal(text, d.scale, round)
	if err != nil || !ok {
		return noMatch(), err
	}
	b, ok := orderedDigits(v)
	if !ok && v.Sign() > 0 {
		b = []byte("2") // above every stored value
	}
	return textCell(b), nil
}

// orderedDigits gives nil, which is below all stored text, where v has too many digits.
func orderedDigits(v *big.Int) ([]byte, bool) {
	abs := new(big.Int).Abs(v).String()
	if len(abs) > bigDigits {
		return nil, false
	}
	b := append(make([]byte, 0, bigDigits+1), '1')
	b = append(b, strings.Repeat("0", bigDigits-len(abs))...)
	b = append(b, abs...)
	if v.Sign() < 0 {
		b[0] = '0'
		complement(b[1:])
	}
	return b, true
}

func complement(digits []byte) {
	for i, d := range digits {
		digits[i] = '0' + '9' - d
	}
}

// appendScaled appends "[-]digits" with the point before the last scale digits, quoted.
func appendScaled(dst []byte, negative bool, digits []byte, scale int) []byte {
	dst = append(dst, '"')
	if negative {
		dst = append(dst, '-')
	}
	if len(digits) <= scale {
		dst = append(dst, '0', '.')
		for i := len(digits); i < scale; i++ {
			dst = append(dst, '0')
		}
		return append(append(dst, digits...), '"')
	}
	whole := len(digits) - scale
	dst = append(dst, digits[:whole]...)
	if scale > 0 {
		dst = append(append(dst, '.'), digits[whole:]...)
	}
	return append(dst, '"')
}

// parseDecimal gives the unscaled value of text at a scale. Digits beyond the scale are rounded
// as asked; ok is false where round is exact and they are not zero.
func parseDecimal(text string, scale int, round rounding) (v *big.Int, ok bool, err error) {
	const longest = 128
	unsigned := strings.TrimPrefix(text, "-")
	whole, frac, point := strings.Cut(unsigned, ".")
	if whole == "" || point && frac == "" || len(text) > longest || strings.Trim(whole+frac, "0123456789") != "" {
		return nil, false, errDecimal
	}
	rest := ""
	if len(frac) > scale {
		frac, rest = frac[:scale], strings.Trim(frac[scale:], "0")
	}
	v, _ = new(big.Int).SetString(whole+frac+strings.Repeat("0", scale-len(frac)), 10)
	negative := unsigned != text
	if negative {
		v.Neg(v)
	}
	switch {
	case rest == "":
	case round == exact:
		return nil, false, nil
	case round == floor && negative:
		v.Sub(v, big.NewInt(1))
	case round == ceil && !negative:
		v.Add(v, big.NewInt(1))
	}
	return v, true, nil
}

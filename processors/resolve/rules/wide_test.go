package rules

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"
	"tributary/schemas"
)

func drawBig(t *rapid.T, name string, bits int) *big.Int {
	v := new(big.Int).SetBytes(rapid.SliceOfN(rapid.Byte(), 0, bits/8).Draw(t, name))
	if rapid.Bool().Draw(t, name+" negative") {
		v.Neg(v)
	}
	return v
}

// TestWideIsExact holds sums against math/big. Repeat a failure with -rapid.seed as printed.
func TestWideIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var total wide
		want := new(big.Int)
		for range rapid.IntRange(0, 20).Draw(t, "n") {
			v := drawBig(t, "v", 128)
			r := schemas.NewReader(schemas.AppendDecimal(nil, v))
			total.add(wideOf(r.Bytes()))
			want.Add(want, v)
		}
		got, canonical := total.appendDecimal(nil), schemas.AppendDecimal(nil, want)
		if string(got) != string(canonical) {
			t.Fatalf("sum is %x, want %x", got, canonical)
		}
		digits := rapid.IntRange(0, 38).Draw(t, "digits")
		limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)
		if total.within(powerOf10(digits)) != (want.CmpAbs(limit) < 0) {
			t.Fatalf("%s within 10^%d is wrong", want, digits)
		}
		if v, ok := total.int64(); ok != want.IsInt64() || ok && v != want.Int64() {
			t.Fatalf("%s as int64: %d, %t", want, v, ok)
		}
	})
}

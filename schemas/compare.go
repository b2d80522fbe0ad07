package schemas

import (
	"bytes"
	"cmp"
	"math"
	"slices"

	"tributary/mesh"
)

// Compare orders two Avro values of a field's type, without null branch: numbers and times by
// value with NaN greatest, false before true, enums in the order of their symbols, lists item by
// item, all others by their bytes, which for text is the order of code points. Values that are
// no values of the type stand behind all others, in the order of their bytes.
func Compare(t mesh.Type, a, b []byte) int {
	if t.Kind == mesh.List { // a difference may stand in front of the damage
		if okA, okB := whole(t, a), whole(t, b); !okA || !okB {
			return compareDamaged(okA, okB, a, b)
		}
	}
	ra, rb := NewReader(a), NewReader(b)
	c := compare(t, &ra, &rb)
	if ra.err != nil || rb.err != nil {
		return compareDamaged(ra.err == nil, rb.err == nil, a, b)
	}
	return c
}

func compareDamaged(okA, okB bool, a, b []byte) int {
	if okA != okB {
		return compareBools(okB, okA)
	}
	return bytes.Compare(a, b)
}

func whole(t mesh.Type, v []byte) bool {
	r := NewReader(v)
	skipperOf(t)(&r)
	return r.err == nil
}

func compare(t mesh.Type, a, b *Reader) int {
	switch t.Kind {
	case mesh.Int, mesh.Timestamp, mesh.Date:
		return cmp.Compare(a.Long(), b.Long())
	case mesh.Float:
		return compareFloats(a.Double(), b.Double())
	case mesh.Bool:
		return compareBools(a.Bool(), b.Bool())
	case mesh.Decimal:
		return compareDecimals(a.Bytes(), b.Bytes())
	case mesh.Enum:
		return compareSymbols(t.Symbols, a.Bytes(), b.Bytes())
	case mesh.List:
		return compareLists(*t.Elem, a, b)
	}
	return bytes.Compare(a.Bytes(), b.Bytes())
}

func compareFloats(a, b float64) int {
	if math.IsNaN(a) || math.IsNaN(b) {
		return compareBools(math.IsNaN(a), math.IsNaN(b))
	}
	return cmp.Compare(a, b)
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

func compareDecimals(a, b []byte) int {
	va, okA := DecimalInt64(a)
	vb, okB := DecimalInt64(b)
	if okA && okB {
		return cmp.Compare(va, vb)
	}
	a, b = shortest(a), shortest(b)
	negative := len(a) > 0 && a[0] >= 0x80
	if nb := len(b) > 0 && b[0] >= 0x80; nb != negative {
		return compareBools(nb, negative)
	}
	// Of one sign: the longer lies farther from zero; of one length, two's complement orders as
	// unsigned bytes do.
	if c := cmp.Compare(len(a), len(b)); c != 0 {
		if negative {
			return -c
		}
		return c
	}
	return bytes.Compare(a, b)
}

func compareSymbols(symbols []string, a, b []byte) int {
	if c := cmp.Compare(rank(symbols, a), rank(symbols, b)); c != 0 {
		return c
	}
	return bytes.Compare(a, b)
}

func rank(symbols []string, v []byte) int {
	if i := slices.IndexFunc(symbols, func(s string) bool { return s == string(v) }); i >= 0 {
		return i
	}
	return len(symbols)
}

func compareLists(elem mesh.Type, a, b *Reader) int {
	ia, ib := items{r: a}, items{r: b}
	for {
		moreA, moreB := ia.next(), ib.next()
		if !moreA || !moreB {
			return compareBools(moreA, moreB)
		}
		if c := compare(elem, a, b); c != 0 || a.err != nil || b.err != nil {
			return c
		}
	}
}

package rules

import (
	"math"
	"math/big"

	"tributary/mesh"
	"tributary/schemas"
)

// aggregate makes one value of all bids; min and max have a winner, the first row that says it.
// Null where there is none (count: 0); a sum that does not fit the field's type is null and a
// conflict.
func (r *Rules) aggregate(f *field, bids []bid, p *schemas.Provenance) (value []byte, winner int32) {
	p.InputCount = int64(len(bids))
	for i := range bids[:min(len(bids), MaxKept)] {
		p.Inputs = append(p.Inputs, r.source(bids[i].cand))
	}
	switch {
	case f.Rule.Name == mesh.Count:
		return r.made(schemas.AppendLong(r.arena, int64(len(bids)))), -1
	case len(bids) == 0:
		return nil, -1
	case f.Rule.Name == mesh.Sum:
		value = r.sum(f, bids)
		p.Conflict = value == nil
		return value, -1
	}
	best := &bids[0]
	for i := range bids[1:] {
		order := schemas.Compare(f.Type, bids[i+1].value, best.value)
		if f.Rule.Name == mesh.Min && order < 0 || f.Rule.Name == mesh.Max && order > 0 {
			best = &bids[i+1]
		}
	}
	p.Winner = r.source(best.cand)
	return best.value, best.cand
}

// made cuts a value that was appended to the arena out of it.
func (r *Rules) made(arena []byte) []byte {
	start := len(r.arena)
	r.arena = arena
	return arena[start:len(arena):len(arena)]
}

// sum gives nil where the sum does not fit the type.
func (r *Rules) sum(f *field, bids []bid) []byte {
	if f.Type.Kind == mesh.Float {
		return r.sumFloats(bids)
	}
	var total wide
	for i := range bids {
		v := schemas.NewReader(bids[i].value)
		if f.Type.Kind == mesh.Decimal {
			total.add(wideOf(v.Bytes()))
		} else {
			total.add(wideOfInt(v.Long()))
		}
	}
	if f.Type.Kind == mesh.Decimal {
		if !total.within(f.limit) {
			return nil
		}
		return r.made(total.appendDecimal(r.arena))
	}
	v, ok := total.int64()
	if !ok {
		return nil
	}
	return r.made(schemas.AppendLong(r.arena, v))
}

// exactBits holds any sum of 2^100 doubles without rounding: from 2^-1074 up to 2^1124.
const exactBits = 2200

// sumFloats adds exactly and rounds once, so that the result depends on no order. // I2
func (r *Rules) sumFloats(bids []bid) []byte {
	special, exact := 0.0, new(big.Float).SetPrec(exactBits)
	for i := range bids {
		v := double(bids[i].value)
		if math.IsNaN(v) || math.IsInf(v, 0) {
			special += v
		} else {
			exact.Add(exact, new(big.Float).SetFloat64(v))
		}
	}
	sum, _ := exact.Float64()
	switch {
	case math.IsNaN(special):
		sum = math.NaN() // one NaN, whatever the inputs' were
	case special != 0:
		sum = special
	case math.IsInf(sum, 0):
		return nil
	case sum == 0:
		sum = 0 // not -0
	}
	return r.made(schemas.AppendDouble(r.arena, sum))
}

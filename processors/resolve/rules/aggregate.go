package rules

import (
	"cmp"
	"math"
	"slices"

	"tributary/mesh"
	"tributary/schemas"
)

// aggregate makes one value of all bids. Null where there is none (count: 0); a sum that does
// not fit the field's type is null and a conflict.
func (r *Rules) aggregate(f *field, bids []bid, p *schemas.Provenance) []byte {
	p.InputCount = int64(len(bids))
	for i := range bids[:min(len(bids), MaxKept)] {
		p.Inputs = append(p.Inputs, r.source(bids[i].cand))
	}
	if f.Rule.Name == mesh.Count {
		return r.made(schemas.AppendLong(r.arena, int64(len(bids))))
	}
	if len(bids) == 0 {
		return nil
	}
	switch f.Rule.Name {
	case mesh.Min:
		return slices.MinFunc(bids, func(a, b bid) int { return schemas.Compare(f.Type, a.value, b.value) }).value
	case mesh.Max:
		// The first of equals, as for min: MaxFunc gives the first.
		return slices.MaxFunc(bids, func(a, b bid) int { return schemas.Compare(f.Type, a.value, b.value) }).value
	}
	sum := r.sum(f, bids)
	p.Conflict = sum == nil
	return sum
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

// sumFloats adds in the order of magnitude, so that the result depends on no other order. // I2
func (r *Rules) sumFloats(bids []bid) []byte {
	r.floats = r.floats[:0]
	for i := range bids {
		r.floats = append(r.floats, double(bids[i].value))
	}
	slices.SortFunc(r.floats, func(a, b float64) int {
		if c := cmp.Compare(math.Abs(a), math.Abs(b)); c != 0 {
			return c
		}
		return cmp.Compare(math.Float64bits(a), math.Float64bits(b))
	})
	sum, finite := 0.0, true
	for _, v := range r.floats {
		sum += v
		finite = finite && !math.IsInf(v, 0) && !math.IsNaN(v)
	}
	if finite && (math.IsInf(sum, 0) || math.IsNaN(sum)) {
		return nil
	}
	if math.IsNaN(sum) {
		sum = math.NaN() // one NaN, whatever the inputs' were
	}
	return r.made(schemas.AppendDouble(r.arena, sum))
}

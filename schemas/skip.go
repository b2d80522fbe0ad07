package schemas

import "tributary/mesh"

// A skipper moves a Reader over one value without looking at it.
type skipper func(*Reader)

func skipperOf(t mesh.Type) skipper {
	switch t.Kind {
	case mesh.Int, mesh.Timestamp, mesh.Date:
		return func(r *Reader) { r.Long() }
	case mesh.Float:
		return func(r *Reader) { r.Fixed(8) }
	case mesh.Bool:
		return func(r *Reader) { r.Fixed(1) }
	case mesh.List:
		elem := skipperOf(*t.Elem)
		return func(r *Reader) { r.skipBlocks(elem) }
	}
	return func(r *Reader) { r.Bytes() }
}

// skipBlocks moves over an Avro array or map whose items elem moves over.
func (r *Reader) skipBlocks(elem skipper) {
	for r.err == nil {
		n := r.Long()
		switch {
		case n == 0:
			return
		case n < 0:
			size := r.Long()
			if size < 0 || size > int64(len(r.buf)) {
				r.fail()
				return
			}
			r.Fixed(int(size))
		default:
			for ; n > 0 && r.err == nil; n-- {
				elem(r)
			}
		}
	}
}

// fieldSkipper moves over a field's value: of a localized field a map of locale to value.
func fieldSkipper(f *mesh.Field) skipper {
	skip := skipperOf(f.Type)
	if !f.Localized {
		return skip
	}
	entry := func(r *Reader) { r.Bytes(); skip(r) }
	return func(r *Reader) { r.skipBlocks(entry) }
}

// span gives the bytes of one value, from where r stands to behind it.
func (r *Reader) span(skip skipper) []byte {
	start := r.buf
	skip(r)
	if r.err != nil {
		return nil
	}
	n := len(start) - len(r.buf)
	return start[:n:n]
}

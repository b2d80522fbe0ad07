package schemas

// CountConflicts counts the conflicts in the body of a _meta without decoding it.
func CountConflicts(meta []byte) (n int64, err error) {
	r := NewReader(meta)
	for range 4 {
		r.Long()
	}
	r.Bytes()
	r.array(func() { // held rows
		r.Bytes()
		r.Bytes()
		r.Bytes()
		r.Long()
	})
	r.array(func() { // sources
		r.Bytes()
		r.Bytes()
		r.Bytes()
		r.Fixed(len(SourceRef{}.Position))
		r.Long()
		r.Long()
		r.Long()
	})
	r.array(func() { // fields
		r.Bytes()
		r.Bytes()
		r.Bytes()
		r.Long()
		r.array(func() { r.Long() })
		r.Long()
		r.array(func() {
			r.Long()
			r.Bytes()
		})
		r.Long()
		if r.Bool() {
			n++
		}
	})
	return n, r.Err()
}

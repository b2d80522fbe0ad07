package schemas

// AppendMeta appends the Avro body of a view's _meta.
func AppendMeta(dst []byte, m *Meta) []byte {
	dst = AppendVersion(dst, m)
	dst = AppendString(dst, m.Policy)
	dst = appendArray(dst, m.Held, func(dst []byte, h *HeldRow) []byte {
		dst = AppendString(AppendString(AppendString(dst, h.Stream), h.SourceKey), h.DLQID)
		return AppendLong(dst, h.Time)
	})
	dst = appendArray(dst, m.Sources, appendSource)
	return appendArray(dst, m.Fields, appendProvenance)
}

// AppendVersion appends the version, with which the body of a _meta begins; a view's tombstone
// carries just that in its header.
func AppendVersion(dst []byte, m *Meta) []byte {
	dst = AppendLong(dst, int64(m.Generation))
	dst = AppendLong(dst, int64(m.Partition))
	dst = AppendLong(dst, m.Offset)
	return AppendLong(dst, int64(m.N))
}

// VersionEnd gives the length of the version at the beginning of a _meta's body.
func VersionEnd(meta []byte) (int, error) {
	r := NewReader(meta)
	r.Long()
	r.Long()
	r.Long()
	r.Long()
	return len(meta) - len(r.Rest()), r.Err()
}

// DecodeVersion reads the version of a _meta's body or of a tombstone's header.
func DecodeVersion(body []byte) (m Meta, err error) {
	r := NewReader(body)
	m.readVersion(&r)
	return m, r.Err()
}

func (m *Meta) readVersion(r *Reader) {
	m.Generation, m.Partition, m.Offset, m.N = uint32(r.Long()), int32(r.Long()), r.Long(), uint32(r.Long())
}

// DecodeMeta reads the Avro body of a _meta; byte slices point into body.
func DecodeMeta(body []byte) (m Meta, err error) {
	r := NewReader(body)
	m.readHead(&r)
	r.array(func() { m.Sources = append(m.Sources, r.source()) })
	r.array(func() { m.Fields = append(m.Fields, r.provenance()) })
	return m, r.Err()
}

// DecodeMetaHead reads a _meta's version, policy and held rows, with which its body begins, and
// leaves the provenance alone.
func DecodeMetaHead(body []byte) (m Meta, err error) {
	r := NewReader(body)
	m.readHead(&r)
	return m, r.Err()
}

func (m *Meta) readHead(r *Reader) {
	m.readVersion(r)
	m.Policy = r.String()
	r.array(func() {
		m.Held = append(m.Held, HeldRow{Stream: r.String(), SourceKey: r.String(), DLQID: r.String(), Time: r.Long()})
	})
}

func appendArray[T any](dst []byte, items []T, add func([]byte, *T) []byte) []byte {
	if len(items) > 0 {
		dst = AppendLong(dst, int64(len(items)))
		for i := range items {
			dst = add(dst, &items[i])
		}
	}
	return append(dst, 0)
}

func appendSource(dst []byte, s *SourceRef) []byte {
	dst = AppendString(AppendString(AppendString(dst, s.Stream), s.Block), s.SourceKey)
	dst = append(dst, s.Position[:]...)
	return AppendLong(AppendLong(AppendLong(dst, s.SourceTime), s.CommitTime), s.TxID)
}

func appendProvenance(dst []byte, p *Provenance) []byte {
	dst = AppendString(AppendString(AppendString(dst, p.Field), p.Locale), p.Rule)
	dst = AppendLong(dst, int64(p.Winner))
	dst = appendArray(dst, p.Inputs, func(dst []byte, i *int32) []byte { return AppendLong(dst, int64(*i)) })
	dst = AppendLong(dst, p.InputCount)
	dst = appendArray(dst, p.Losers, func(dst []byte, l *Loser) []byte {
		return AppendBytes(AppendLong(dst, int64(l.Source)), l.Value)
	})
	return AppendBool(AppendLong(dst, p.LoserCount), p.Conflict)
}

// array reads an Avro array, item being called for each of its items.
func (r *Reader) array(item func()) {
	for r.err == nil {
		n := r.Long()
		if n == 0 {
			return
		}
		if n < 0 {
			n = -n
			r.Long()
		}
		for ; n > 0 && r.err == nil; n-- {
			item()
		}
	}
}

func (r *Reader) source() (s SourceRef) {
	s.Stream, s.Block, s.SourceKey = r.String(), r.String(), r.String()
	copy(s.Position[:], r.Fixed(len(s.Position)))
	s.SourceTime, s.CommitTime, s.TxID = r.Long(), r.Long(), r.Long()
	return s
}

func (r *Reader) provenance() (p Provenance) {
	p.Field, p.Locale, p.Rule = r.String(), r.String(), r.String()
	p.Winner = int32(r.Long())
	r.array(func() { p.Inputs = append(p.Inputs, int32(r.Long())) })
	p.InputCount = r.Long()
	r.array(func() { p.Losers = append(p.Losers, Loser{Source: int32(r.Long()), Value: r.Bytes()}) })
	p.LoserCount = r.Long()
	p.Conflict = r.Bool()
	return p
}

package normalize

// A cursor walks an Avro body as schemas.Reader does, for the one place where that is too slow:
// it reads each value of each row only to know where it ends. Once bad it stays so, at the end.
type cursor struct {
	body []byte
	at   int
	bad  bool
}

// long reads an Avro int or long. Most are a union's index or a short length: one byte.
func (c *cursor) long() int64 {
	if c.at < len(c.body) && c.body[c.at] < 0x80 {
		b := c.body[c.at]
		c.at++
		return int64(b>>1) ^ -int64(b&1)
	}
	return c.longer()
}

func (c *cursor) longer() int64 {
	var u uint64
	for shift := 0; c.at < len(c.body) && shift < 64; shift += 7 {
		b := c.body[c.at]
		c.at++
		u |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return int64(u>>1) ^ -int64(u&1)
		}
	}
	c.fail()
	return 0
}

func (c *cursor) fail() { c.at, c.bad = len(c.body), true }

func (c *cursor) left() int { return len(c.body) - c.at }

// move goes n bytes on.
func (c *cursor) move(n int64) {
	if n < 0 || n > int64(c.left()) {
		c.fail()
		return
	}
	c.at += int(n)
}

// bytes reads Avro bytes or a string; they point into the body.
func (c *cursor) bytes() []byte {
	n := c.long()
	start := c.at
	c.move(n)
	if c.bad {
		return nil
	}
	return c.body[start:c.at:c.at]
}

// skip moves over one value.
func (c *cursor) skip(t *wireType) {
	if t.kind == wireUnion {
		if t = c.branch(t); t == nil {
			return
		}
	}
	switch t.kind {
	case wireInt, wireEnum:
		c.long()
	case wireBytes, wireString:
		c.move(c.long())
	case wireBool:
		c.move(1)
	case wireFloat:
		c.move(4)
	case wireDouble:
		c.move(8)
	case wireFixed:
		c.move(int64(t.size))
	case wireArray:
		c.blocks(func() { c.skip(t.elem) })
	case wireMap:
		c.blocks(func() { c.bytes(); c.skip(t.elem) })
	case wireRecord:
		for i := range t.fields {
			c.skip(t.fields[i].t)
		}
	case wireUnion: // a union directly in a union, which Avro does not allow
		c.fail()
	}
}

// branch reads a union's index and gives the type that follows; nil for an impossible index.
func (c *cursor) branch(t *wireType) *wireType {
	if n := c.long(); !c.bad && n >= 0 && n < int64(len(t.branches)) {
		return t.branches[n]
	}
	c.fail()
	return nil
}

// blocks reads an Avro array or map, item being called for each entry.
func (c *cursor) blocks(item func()) {
	for !c.bad {
		n := c.long()
		if n == 0 {
			return
		}
		if n < 0 {
			n = -n
			c.long() // the block's size in bytes
		}
		if n < 0 || n > int64(c.left()) { // items have at least one byte each
			c.fail()
		}
		for ; n > 0 && !c.bad; n-- {
			item()
		}
	}
}

// column reads one value of a row.
func (c *cursor) column(t *wireType) (col Column) {
	if t.kind == wireUnion {
		n := c.long()
		if n < 0 || n >= int64(len(t.branches)) {
			c.fail()
			return col
		}
		t, col.Branch = t.branches[n], int(n)
	}
	if t.kind == wireNull {
		return col
	}
	start := c.at
	c.skip(t)
	if !c.bad {
		col.Value = c.body[start:c.at:c.at]
	}
	return col
}

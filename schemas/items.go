package schemas

// items walks the items of an Avro array, block by block.
type items struct {
	r    *Reader
	left int64 // in this block
}

// next says whether r stands at a further item.
func (i *items) next() bool {
	if i.left == 0 {
		if i.left = i.r.Long(); i.left < 0 {
			i.r.Long() // the block's size in bytes
			if i.left = -i.left; i.left < 0 {
				i.r.fail()
			}
		}
	}
	if i.left == 0 || i.r.err != nil {
		return false
	}
	i.left--
	return true
}

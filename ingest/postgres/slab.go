package postgres

// A slab is the memory that encoded records are cut from. What was cut belongs to the receiver;
// the slab never touches it again. One goroutine uses a slab.
type slab struct {
	size int
	buf  []byte
}

// room makes sure that about n bytes can be appended without moving what stands in the slab.
func (s *slab) room(n int) {
	if cap(s.buf)-len(s.buf) < n {
		s.buf = make([]byte, 0, max(n, s.size))
	}
}

// cut gives what was appended since the mark, with no capacity left to run into its neighbour.
func (s *slab) cut(mark int) []byte { return s.buf[mark:len(s.buf):len(s.buf)] }

package state

import (
	"encoding/binary"
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// prefixSize is the length of what a space puts in front of its keys.
const prefixSize = 8

// A Space is the state of one partition of one subject. Keys given to it are the subject's own.
type Space struct {
	Partition int32
	store     *Store
	prefix    [prefixSize]byte
}

// Key appends a full key to dst: the space's prefix and the parts.
func (s *Space) Key(dst []byte, parts ...[]byte) []byte {
	dst = append(dst, s.prefix[:]...)
	for _, p := range parts {
		dst = append(dst, p...)
	}
	return dst
}

// Get gives the value of a full key, appended to dst, and whether it is there.
func (s *Space) Get(dst, key []byte) ([]byte, bool, error) {
	v, closer, err := s.store.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return dst, false, nil
	}
	if err != nil {
		return dst, false, err
	}
	defer closer.Close()
	return append(dst, v...), true, nil
}

// Iter iterates over the keys that begin with the space's prefix and part; the keys that it
// gives are full ones. The caller closes it.
func (s *Space) Iter(part []byte) (*pebble.Iterator, error) {
	lower := s.Key(nil, part)
	return s.store.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: after(lower)})
}

// after is the least key behind all keys that begin with prefix.
func after(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}

// Batch begins a batch; the caller commits or closes it.
func (s *Space) Batch() *pebble.Batch { return s.store.db.NewBatch() }

// Commit applies a batch. It is not synced: state is a cache (I3).
func (s *Space) Commit(b *pebble.Batch) error { return b.Commit(pebble.NoSync) }

// Clear deletes the whole space.
func (s *Space) Clear() error {
	lower := s.Key(nil)
	return s.store.db.DeleteRange(lower, after(lower), pebble.NoSync)
}

// Offset reads a number that was put under a name with AppendOffset; 0 when it is not there.
func (s *Space) Offset(name string) (int64, error) {
	v, ok, err := s.Get(nil, s.Key(nil, []byte{offsets}, []byte(name)))
	if !ok || len(v) != 8 {
		return 0, err
	}
	return int64(binary.BigEndian.Uint64(v)), err
}

// SetOffset puts a number under a name.
func (s *Space) SetOffset(b *pebble.Batch, name string, v int64) error {
	return b.Set(s.Key(nil, []byte{offsets}, []byte(name)), binary.BigEndian.AppendUint64(nil, uint64(v)), nil)
}

// offsets is the first byte of the keys of numbers; users begin theirs with others.
const offsets = 0xff

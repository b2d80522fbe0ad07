package topics

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// PositionSize is the length of an encoded position in bytes.
const PositionSize = 32

// A Position says where a change stands in its stream: epoch u32, era u32, major 16 bytes,
// minor u64, all big-endian, so that comparing the bytes compares positions.
type Position [PositionSize]byte

// MakePosition puts a position together.
func MakePosition(epoch, era uint32, major Major, minor uint64) Position {
	var p Position
	binary.BigEndian.PutUint32(p[0:], epoch)
	binary.BigEndian.PutUint32(p[4:], era)
	copy(p[8:24], major[:])
	binary.BigEndian.PutUint64(p[24:], minor)
	return p
}

// PositionFrom reads an encoded position; ok is false unless b has PositionSize bytes.
func PositionFrom(b []byte) (p Position, ok bool) {
	return p, len(b) == PositionSize && copy(p[:], b) == PositionSize
}

// Epoch is the number of the full snapshot that the position belongs to.
func (p Position) Epoch() uint32 { return binary.BigEndian.Uint32(p[0:]) }

// Era counts changes of server within an epoch.
func (p Position) Era() uint32 { return binary.BigEndian.Uint32(p[4:]) }

// Major is the source's own coordinate, for Postgres the commit LSN.
func (p Position) Major() (m Major) { copy(m[:], p[8:24]); return m }

// Minor orders the changes of one major coordinate.
func (p Position) Minor() uint64 { return binary.BigEndian.Uint64(p[24:]) }

// Compare is negative, zero or positive as p stands before, at or behind q.
func (p Position) Compare(q Position) int { return bytes.Compare(p[:], q[:]) }

// IsZero says whether p is before every real position.
func (p Position) IsZero() bool { return p == Position{} }

// String is the text form e<epoch>:<era>:<major>:<minor>, the major as a Postgres LSN where its
// upper half is empty and as hex otherwise.
func (p Position) String() string {
	m := p.Major()
	major := fmt.Sprintf("%x", m[:])
	if binary.BigEndian.Uint64(m[:8]) == 0 {
		lsn := m.Uint64()
		major = fmt.Sprintf("%X/%X", lsn>>32, uint32(lsn))
	}
	return fmt.Sprintf("e%d:%d:%s:%d", p.Epoch(), p.Era(), major, p.Minor())
}

// Major is the source's own coordinate within an era: bytes that compare in stream order.
type Major [16]byte

// MajorOf makes a Major of a 64-bit coordinate such as an LSN.
func MajorOf(v uint64) (m Major) { binary.BigEndian.PutUint64(m[8:], v); return m }

// Uint64 is the lower half of the coordinate.
func (m Major) Uint64() uint64 { return binary.BigEndian.Uint64(m[8:]) }

// Compare orders two coordinates.
func (m Major) Compare(o Major) int { return bytes.Compare(m[:], o[:]) }

package topics

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A span is where an aborted transaction of a producer lies in a partition.
type span struct{ first, marker int64 }

// aborted are the spans of each producer.
type aborted map[int64][]span

func (a aborted) has(b storedBatch) bool {
	return b.inTxn() && slices.ContainsFunc(a[b.producer()], func(s span) bool { return s.first <= b.first() && b.first() < s.marker })
}

// findAborted walks the markers of a partition, as kfake reads them: a marker ends what its
// producer has open. A transaction without a marker is an error: whether it counts is not known.
func findAborted(dir string) (aborted, error) {
	open, out := map[int64]int64{}, aborted{}
	err := eachBatch(dir, func(b storedBatch) error {
		first, is := open[b.producer()]
		switch {
		case b.inTxn() && !is:
			open[b.producer()] = b.first()
		case b.control():
			if is && !b.isCommit() {
				out[b.producer()] = append(out[b.producer()], span{first, b.first()})
			}
			delete(open, b.producer())
		}
		return nil
	})
	if err == nil && len(open) > 0 {
		err = fmt.Errorf("%d transactions have no end", len(open))
	}
	return out, err
}

// A sighting is a record of a key: the key's hash, and the record's number among the partition's
// committed records.
type sighting struct{ high, low, number uint64 }

func (s sighting) compare(o sighting) int {
	return cmp.Or(cmp.Compare(s.high, o.high), cmp.Compare(s.low, o.low), cmp.Compare(s.number, o.number))
}

const sightingSize = 24

// A marking says which records of a partition are the newest of their keys: a bit a record.
type marking struct {
	bits  []uint64
	total int64
	live  int64
}

func (m *marking) set(number uint64) {
	for uint64(len(m.bits)) <= number/64 {
		m.bits = append(m.bits, 0)
	}
	m.bits[number/64] |= 1 << (number % 64)
	m.live++
}

func (m *marking) has(number int64) bool {
	return number/64 < int64(len(m.bits)) && m.bits[number/64]&(1<<(number%64)) != 0
}

// findNewest marks the newest committed record of each key, and all records without one. Memory is
// bounded by runs of runSize sightings, sorted and spilled into scratch, and a bit a record (I8).
// Keys are told apart by 128 bits of hash.
func findNewest(dir, scratch string, a aborted, d kgo.Decompressor, runSize int) (*marking, error) {
	m := &marking{}
	runs := &sortedRuns{dir: scratch, size: runSize}
	defer runs.close()
	err := eachBatch(dir, func(b storedBatch) error {
		if b.control() || a.has(b) {
			return nil
		}
		return eachRecord(b, d, func(r storedRecord) error {
			number := uint64(m.total)
			m.total++
			if r.key == nil {
				m.set(number)
				return nil
			}
			h := fnv.New128a()
			h.Write(r.key)
			var sum [16]byte
			h.Sum(sum[:0])
			return runs.add(sighting{binary.BigEndian.Uint64(sum[:]), binary.BigEndian.Uint64(sum[8:]), number})
		})
	})
	if err != nil {
		return nil, err
	}
	return m, runs.lasts(m.set)
}

// sortedRuns sorts sightings outside of memory.
type sortedRuns struct {
	dir   string
	size  int
	now   []sighting
	files []*os.File
}

func (s *sortedRuns) add(x sighting) error {
	s.now = append(s.now, x)
	if len(s.now) < s.size {
		return nil
	}
	return s.spill()
}

func (s *sortedRuns) spill() error {
	slices.SortFunc(s.now, sighting.compare)
	f, err := os.Create(filepath.Join(s.dir, fmt.Sprintf("run-%d", len(s.files))))
	if err != nil {
		return err
	}
	s.files = append(s.files, f)
	w := bufio.NewWriterSize(f, 1<<16)
	var buf [sightingSize]byte
	for _, x := range s.now {
		binary.LittleEndian.PutUint64(buf[:], x.high)
		binary.LittleEndian.PutUint64(buf[8:], x.low)
		binary.LittleEndian.PutUint64(buf[16:], x.number)
		if _, err := w.Write(buf[:]); err != nil {
			return err
		}
	}
	s.now = s.now[:0]
	if err := w.Flush(); err != nil {
		return err
	}
	_, err = f.Seek(0, io.SeekStart)
	return err
}

// lasts calls fn with the highest number of each hash.
func (s *sortedRuns) lasts(fn func(number uint64)) error {
	slices.SortFunc(s.now, sighting.compare)
	heads := []func() (sighting, bool, error){ofSlice(s.now)}
	for _, f := range s.files {
		heads = append(heads, ofFile(f))
	}
	next := make([]sighting, len(heads))
	for i := len(heads) - 1; i >= 0; i-- {
		x, ok, err := heads[i]()
		if err != nil {
			return err
		}
		if next[i] = x; !ok {
			heads, next = slices.Delete(heads, i, i+1), slices.Delete(next, i, i+1)
		}
	}
	var last sighting
	known := false
	for len(heads) > 0 {
		least := 0
		for i := range next {
			if next[i].compare(next[least]) < 0 {
				least = i
			}
		}
		x := next[least]
		if known && (x.high != last.high || x.low != last.low) {
			fn(last.number)
		}
		last, known = x, true
		y, ok, err := heads[least]()
		if err != nil {
			return err
		}
		if next[least] = y; !ok {
			heads, next = slices.Delete(heads, least, least+1), slices.Delete(next, least, least+1)
		}
	}
	if known {
		fn(last.number)
	}
	return nil
}

func ofSlice(all []sighting) func() (sighting, bool, error) {
	return func() (x sighting, ok bool, err error) {
		if len(all) == 0 {
			return x, false, nil
		}
		x, all = all[0], all[1:]
		return x, true, nil
	}
}

func ofFile(f *os.File) func() (sighting, bool, error) {
	r := bufio.NewReaderSize(f, 1<<16)
	return func() (x sighting, ok bool, err error) {
		var buf [sightingSize]byte
		if _, err := io.ReadFull(r, buf[:]); err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return x, false, err
		}
		return sighting{binary.LittleEndian.Uint64(buf[:]), binary.LittleEndian.Uint64(buf[8:]), binary.LittleEndian.Uint64(buf[16:])}, true, nil
	}
}

func (s *sortedRuns) close() {
	for _, f := range s.files {
		_ = f.Close()
		_ = os.Remove(f.Name())
	}
}

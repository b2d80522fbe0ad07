// Package state is the processors' local state: one Pebble store a process, with a space for
// each subject and partition. It is a cache of topics (I3): it has no log of its own, may lose
// its newest batches or be deleted, and its users resume from the offsets that it holds.
package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/rs/zerolog"
)

// A Store is one process's state.
type Store struct {
	db      *pebble.DB
	numbers sync.Mutex // one subject gets its number at a time
	failed  chan error // holds the first write that failed
}

// Pebble takes the memory of memtables out of the cache: what is left is for blocks.
const (
	memTable = 24 << 20
	cache    = 96 << 20
)

// Open opens the store in dir. A store that is damaged is an error that says to delete it.
func Open(dir string, log zerolog.Logger) (*Store, error) {
	c := pebble.NewCache(cache)
	defer c.Unref()
	failed := make(chan error, 1)
	report := func(err error) {
		select {
		case failed <- fmt.Errorf("local state in %s: %w", dir, err):
		default: // Pebble tries again at once, and reports each time
		}
	}
	opts := &pebble.Options{
		Cache: c, DisableWAL: true, MemTableSize: memTable, MemTableStopWritesThreshold: 3,
		L0CompactionThreshold: 8, L0CompactionFileThreshold: 500, L0StopWritesThreshold: 64, MaxOpenFiles: 512,
		Logger: logger{log, report}, EventListener: &pebble.EventListener{BackgroundError: report},
	}
	for i := range opts.Levels {
		opts.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	// What is flushed is compacted soon: its compression would be in vain.
	opts.Levels[0].Compression = func() *sstable.CompressionProfile { return sstable.NoCompression }
	opts.Levels[1].Compression = func() *sstable.CompressionProfile { return sstable.SnappyCompression } // and below
	db, err := pebble.Open(dir, opts)
	if err != nil {
		return nil, fmt.Errorf("local state in %s: %w: it is only a cache; stop Tributary, delete the folder and start again", dir, err)
	}
	return &Store{db: db, failed: failed}, nil
}

// Failed gives the error of the first write that the disk refused. Pebble tries such writes again
// without end, so the process is to end, without Close: the state is a cache (I3).
func (s *Store) Failed() <-chan error { return s.failed }

// Close writes what is in memory and closes the store.
func (s *Store) Close() error {
	return errors.Join(s.db.Flush(), s.db.Close())
}

// Space gives the space of a subject's partition, making it when new.
func (s *Store) Space(subject string, partition int32) (*Space, error) {
	key := append([]byte{0, 0, 0, 0}, subject...)
	id, err := s.number(key)
	if err != nil {
		return nil, fmt.Errorf("local state of %s: %w", subject, err)
	}
	sp := &Space{store: s, Partition: partition}
	binary.BigEndian.PutUint32(sp.prefix[:], id)
	binary.BigEndian.PutUint32(sp.prefix[4:], uint32(partition))
	return sp, nil
}

// number gives a subject its number, from 1 up; number 0 is the space of the numbers.
func (s *Store) number(key []byte) (uint32, error) {
	s.numbers.Lock()
	defer s.numbers.Unlock()
	v, closer, err := s.db.Get(key)
	if err == nil {
		defer closer.Close()
		return binary.BigEndian.Uint32(v), nil
	}
	if !errors.Is(err, pebble.ErrNotFound) {
		return 0, err
	}
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{0, 0, 0, 0}, UpperBound: []byte{0, 0, 0, 1}})
	if err != nil {
		return 0, err
	}
	defer it.Close()
	last := uint32(0)
	for it.First(); it.Valid(); it.Next() {
		last = max(last, binary.BigEndian.Uint32(it.Value()))
	}
	if err := it.Error(); err != nil {
		return 0, err
	}
	return last + 1, s.db.Set(key, binary.BigEndian.AppendUint32(nil, last+1), pebble.NoSync)
}

// logger passes Pebble's errors on.
type logger struct {
	log    zerolog.Logger
	report func(error)
}

func (l logger) Infof(string, ...any) {}
func (l logger) Errorf(format string, args ...any) {
	l.log.Error().Str("part", "state").Msgf(format, args...)
}

// Fatalf reports what Pebble cannot go on from, and does not return, as Pebble expects: the process
// ends in order instead of here.
func (l logger) Fatalf(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	for _, a := range args {
		if cause, ok := a.(error); ok {
			err = fmt.Errorf("%s: %w", strings.TrimSuffix(err.Error(), ": "+cause.Error()), cause)
		}
	}
	l.report(err)
	select {}
}

package freshness

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tributary/mesh"
	"tributary/sinks/views"
)

// StreamStatus is what is known of a stream beside its frontiers.
type StreamStatus struct {
	// Snapshotting: its first snapshot has not completed.
	Snapshotting bool
	// DownSince is when its source stopped answering; zero: it answers.
	DownSince time.Time
	// DeadLetters counts its rows that lie in the dead letters.
	DeadLetters int64
	// Unplaced counts those of them whose entity is unknown; they mark the whole view (I10).
	Unplaced int64
}

// A Tracker keeps the frontiers of all views and the status of all streams. Sinks write it,
// requests take snapshots of it without a lock.
type Tracker struct {
	now      func() time.Time
	entities map[string]*entity
	streams  []string

	mu     sync.Mutex // one writer at a time; guards status and the making of snapshots
	status map[string]StreamStatus
}

type entity struct{ snapshot atomic.Pointer[Snapshot] }

// New makes the tracker of a mesh whose view topics have the given number of partitions. The
// clock is that of the sources' times, in practice time.Now.
func New(m *mesh.Mesh, partitions int32, now func() time.Time) *Tracker {
	t := &Tracker{now: now, entities: map[string]*entity{}, status: map[string]StreamStatus{}}
	for _, sys := range m.Systems {
		for _, s := range sys.Streams {
			t.streams = append(t.streams, s.ID())
		}
	}
	for _, e := range m.Entities {
		s := &Snapshot{Entity: e}
		for _, stream := range e.Streams() {
			s.streams = append(s.streams, stream.ID())
		}
		s.status = make([]StreamStatus, len(s.streams))
		s.through = make([][]time.Time, partitions)
		for p := range s.through {
			s.through[p] = make([]time.Time, len(s.streams))
		}
		s.least = leastOf(s.through, len(s.streams))
		t.entities[e.Name] = &entity{}
		t.entities[e.Name].snapshot.Store(s)
	}
	return t
}

// Now reads the tracker's clock.
func (t *Tracker) Now() time.Time { return t.now() }

// Update sets what a partition of a view has reached, after the store's transaction that
// reached it has committed. Streams that the view no longer has are passed over. It fails for
// an entity or a partition that the mesh does not have: the caller runs with another manifest.
func (t *Tracker) Update(entityName string, partition int32, frontiers []views.Frontier) error {
	e := t.entities[entityName]
	if e == nil {
		return fmt.Errorf("freshness of entity %q: the mesh has no such entity", entityName)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	old := e.snapshot.Load()
	if partition < 0 || int(partition) >= len(old.through) {
		return fmt.Errorf("freshness of entity %q: partition %d of %d", entityName, partition, len(old.through))
	}
	s := *old
	s.through = slices.Clone(old.through)
	row := slices.Clone(old.through[partition])
	for _, f := range frontiers {
		if i := slices.Index(s.streams, f.Stream); i >= 0 {
			row[i] = f.Through
		}
	}
	s.through[partition] = row
	s.least = leastOf(s.through, len(s.streams))
	e.snapshot.Store(&s)
	return nil
}

// SetStream sets the status of a stream, by its id "<system>.<stream>".
func (t *Tracker) SetStream(stream string, status StreamStatus) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.status[stream] = status
	for _, e := range t.entities {
		old := e.snapshot.Load()
		i := slices.Index(old.streams, stream)
		if i < 0 {
			continue
		}
		s := *old
		s.status = slices.Clone(old.status)
		s.status[i] = status
		e.snapshot.Store(&s)
	}
}

// Snapshot gives what is known of an entity's view, never to be changed; nil for an unknown
// entity. Take it before the rows are read (I4).
func (t *Tracker) Snapshot(entityName string) *Snapshot {
	if e := t.entities[entityName]; e != nil {
		return e.snapshot.Load()
	}
	return nil
}

// StreamStatus gives the last status set of a stream.
func (t *Tracker) StreamStatus(stream string) StreamStatus {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.status[stream]
}

// Streams gives the ids of all streams of the mesh, in the manifest's order.
func (t *Tracker) Streams() []string { return t.streams }

// leastOf gives for each stream the least time over the partitions, zero where one is unknown.
func leastOf(through [][]time.Time, streams int) []time.Time {
	least := make([]time.Time, streams)
	for p, row := range through {
		for i, at := range row {
			if p == 0 || at.Before(least[i]) {
				least[i] = at
			}
		}
	}
	return least
}

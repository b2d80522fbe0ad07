package postgres

import (
	"sync"
	"time"
)

// A reading of the source's clock: a transaction that was acknowledged before time has its
// commit in the log at or before lsn.
type reading struct {
	time time.Time
	lsn  uint64
}

// maxPending bounds the readings that wait; a stream that is far behind needs no more.
const maxPending = 16

// pendingReadings are those that the stream has not passed yet, in order.
type pendingReadings struct {
	mu   sync.Mutex // protects list
	list []reading
}

// add queues a reading. When the queue is full the newest gives way: the older ones come first.
func (p *pendingReadings) add(r reading) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.list) == maxPending {
		p.list = p.list[:maxPending-1]
	}
	p.list = append(p.list, r)
}

// passed takes out all that end at or before lsn and gives the latest time of them, zero if none.
func (p *pendingReadings) passed(lsn uint64) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	var latest time.Time
	for len(p.list) > 0 && p.list[0].lsn <= lsn {
		if p.list[0].time.After(latest) {
			latest = p.list[0].time
		}
		p.list = p.list[1:]
	}
	return latest
}

// waiting says whether the stream has readings to pass.
func (p *pendingReadings) waiting() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.list) > 0
}

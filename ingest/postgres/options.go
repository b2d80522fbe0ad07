package postgres

import (
	"errors"
	"time"
)

// Tuning holds what a driver may be tuned with; the zero value means the defaults.
type Tuning struct {
	// SnapshotWorkers is how many connections read a snapshot (2).
	SnapshotWorkers int
	// RangePages is how many pages of a table one read of a snapshot takes (8192: 64 MiB).
	RangePages int
	// WatermarkEvery is how often the source's clock is read (1 s).
	WatermarkEvery time.Duration
	// StatusEvery is how often the server hears from us when nothing moves (5 s). It must stay
	// well below the server's wal_sender_timeout.
	StatusEvery time.Duration
	// SlotPatience is how long a slot in use is waited for: after a crash of ours the server
	// needs a moment to see that our connection is gone (2 s).
	SlotPatience time.Duration
	// SlabBytes is the size of the chunks that rows are encoded into (256 KiB).
	SlabBytes int
}

// EnsureDefaults sets what is zero.
func (t *Tuning) EnsureDefaults() {
	if t.SnapshotWorkers == 0 {
		t.SnapshotWorkers = 2
	}
	if t.RangePages == 0 {
		t.RangePages = 8192
	}
	if t.WatermarkEvery == 0 {
		t.WatermarkEvery = time.Second
	}
	if t.StatusEvery == 0 {
		t.StatusEvery = 5 * time.Second
	}
	if t.SlotPatience == 0 {
		t.SlotPatience = 2 * time.Second
	}
	if t.SlabBytes == 0 {
		t.SlabBytes = 256 << 10
	}
}

// Validate reports every value that cannot work.
func (t *Tuning) Validate() error {
	var errs []error
	if t.SnapshotWorkers < 1 || t.SnapshotWorkers > 64 {
		errs = append(errs, errors.New("SnapshotWorkers must be 1 to 64"))
	}
	if t.RangePages < 1 {
		errs = append(errs, errors.New("RangePages must be at least 1"))
	}
	if t.WatermarkEvery < 0 || t.StatusEvery < 0 || t.SlotPatience < 0 {
		errs = append(errs, errors.New("WatermarkEvery, StatusEvery and SlotPatience must not be negative"))
	}
	if t.SlabBytes < 1<<10 {
		errs = append(errs, errors.New("SlabBytes must be at least 1024"))
	}
	return errors.Join(errs...)
}

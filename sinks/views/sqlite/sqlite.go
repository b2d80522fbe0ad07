// Package sqlite keeps views in an SQLite file, without cgo: a replica in each process that
// serves. In come batches of view records; out go JSON rows. Rows, offsets and frontiers are
// written in one transaction (I4), rows only upwards in version (I9).
//
// The file is in WAL mode, so readers never wait for the writer nor it for them. With
// synchronous=NORMAL every commit survives the death of the process, and the death of the
// machine may lose the last ones but never tears one apart: as offsets are in the same
// transaction, the sink then reads the lost records again.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"tributary/sinks/views"
)

// Options say where a store lies and how much it may use.
type Options struct {
	// Path is the database file; its WAL lies beside it. The folder must exist.
	Path string
	// Readers is how many requests are read at the same time (default: two a processor, at
	// least 4). Each has a connection with its own statements.
	Readers int
	// Indexes is the most indexes an entity gets for what queries filter and sort by, beyond
	// those of its key, unique fields and relations (default 16, negative for none).
	Indexes int
}

// EnsureDefaults fills in what is zero.
func (o *Options) EnsureDefaults() {
	if o.Readers == 0 {
		o.Readers = max(4, 2*runtime.GOMAXPROCS(0))
	}
	if o.Indexes == 0 {
		o.Indexes = 16
	}
}

// Validate reports every fault of the options.
func (o *Options) Validate() error {
	var faults []error
	if o.Path == "" {
		faults = append(faults, errors.New("view store: Path is empty; name a file"))
	}
	if o.Readers < 0 {
		faults = append(faults, fmt.Errorf("view store: Readers is %d; give at least 1", o.Readers))
	}
	return errors.Join(faults...)
}

// A Store is a views.Store in one file.
type Store struct {
	opts    Options
	closed  chan struct{} // closed by the first Close
	readers chan *reader  // the idle ones
	writer  chan *conn    // holds the one writer while it is idle

	closing sync.Mutex   // one Close at a time
	mu      sync.RWMutex // protects tables and what they know of their indexes
	tables  map[string]*table
}

var _ views.Store = (*Store)(nil)

// format is the layout of the file, kept as its user_version.
const format = 1

// Open opens or creates the file of a store. It fails with views.ErrDamaged where the file is
// not a healthy database of this format.
func Open(opts Options) (*Store, error) {
	opts.EnsureDefaults()
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	s := &Store{
		opts: opts, closed: make(chan struct{}), tables: map[string]*table{},
		readers: make(chan *reader, opts.Readers), writer: make(chan *conn, 1),
	}
	w, err := s.openWriter()
	if err != nil {
		return nil, err
	}
	s.writer <- w
	for range opts.Readers {
		r, err := openReader(opts.Path)
		if err != nil {
			return nil, errors.Join(s.failed("open", err), s.closeIdle())
		}
		s.readers <- r
	}
	return s, nil
}

func (s *Store) openWriter() (*conn, error) {
	w, err := openConn(s.opts.Path,
		"PRAGMA journal_mode=wal", "PRAGMA synchronous=normal", "PRAGMA cache_size=-32768",
		"PRAGMA wal_autocheckpoint=4000", "PRAGMA journal_size_limit=67108864")
	if err != nil {
		return nil, s.failed("open", err)
	}
	if err := createSystemTables(w); err != nil {
		return nil, errors.Join(s.failed("open", err), w.Close())
	}
	return w, nil
}

// write runs fn in one write transaction: all of it is done, or an error returned.
func (s *Store) write(ctx context.Context, doing string, fn func(w *conn) error) (err error) {
	w, err := take(ctx, s, s.writer)
	if err != nil {
		return err
	}
	defer func() { s.writer <- w }()
	w.watch(ctx)
	err = transaction(w.Conn, fn, w)
	if w.unwatch() && err != nil {
		err = context.Cause(ctx)
	}
	w.rollback()
	return s.failed(doing, err)
}

func transaction(c *sqlite.Conn, fn func(w *conn) error, w *conn) error {
	if err := sqlitex.ExecuteTransient(c, "BEGIN IMMEDIATE", nil); err != nil {
		return err
	}
	if err := fn(w); err != nil {
		return err
	}
	return sqlitex.ExecuteTransient(c, "COMMIT", nil)
}

// take waits for an idle connection.
func take[C any](ctx context.Context, s *Store, idle chan C) (c C, err error) {
	if err := context.Cause(ctx); err != nil {
		return c, err
	}
	select {
	case c = <-idle:
	case <-s.closed:
		return c, views.ErrClosed
	case <-ctx.Done():
		return c, context.Cause(ctx)
	}
	select {
	case <-s.closed: // Close is waiting for this connection
		idle <- c
		return c, views.ErrClosed
	default:
		return c, nil
	}
}

// Close waits for running reads and writes, then closes the file. Later calls do nothing.
func (s *Store) Close() error {
	s.closing.Lock()
	defer s.closing.Unlock()
	select {
	case <-s.closed:
		return nil
	default:
		close(s.closed)
	}
	var errs []error
	for range cap(s.readers) {
		errs = append(errs, (<-s.readers).Close())
	}
	errs = append(errs, (<-s.writer).Close())
	return errors.Join(errs...)
}

// closeIdle closes what a failed Open has opened.
func (s *Store) closeIdle() error {
	var errs []error
	for range len(s.readers) {
		errs = append(errs, (<-s.readers).Close())
	}
	return errors.Join(append(errs, (<-s.writer).Close())...)
}

// failed turns SQLite's errors into the sentinels of package views.
func (s *Store) failed(doing string, err error) error {
	if err == nil {
		return nil
	}
	switch code := sqlite.ErrCode(err).ToPrimary(); code {
	case sqlite.ResultFull:
		return fmt.Errorf("view store: %s: %w: free space for %s: %w", doing, views.ErrFull, s.opts.Path, err)
	case sqlite.ResultCorrupt, sqlite.ResultNotADB:
		return fmt.Errorf("view store: %s: %w: stop, delete %s with its -wal and -shm files, and start again; it is rebuilt from the view topics: %w",
			doing, views.ErrDamaged, s.opts.Path, err)
	case sqlite.ResultCantOpen, sqlite.ResultReadOnly, sqlite.ResultPerm, sqlite.ResultBusy:
		return fmt.Errorf("view store: %s: cannot use %s: its folder must exist and be writable, and no other process may have the file open: %w",
			doing, s.opts.Path, err)
	}
	return fmt.Errorf("view store: %s: %w", doing, err)
}

// busyTimeout bounds waiting for another process, which should not be there.
const busyTimeout = 10 * time.Second

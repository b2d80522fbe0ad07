package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// statementsKept is how many prepared statements a connection keeps: a few kilobytes each.
const statementsKept = 256

// A conn is a connection with its prepared statements. One goroutine uses it at a time.
type conn struct {
	*sqlite.Conn
	statements *simplelru.LRU[statementKey, *sqlite.Stmt]
	// interrupt is watched by the connection; cancel closes it, then fired.
	interrupt, fired chan struct{}
	stop             func() bool
}

// A statementKey has the place of a query in its tree, since one statement cannot run at two
// places at once.
type statementKey struct {
	place int
	sql   string
}

func openConn(path string, pragmas ...string) (*conn, error) {
	c, err := sqlite.OpenConn(path, sqlite.OpenReadWrite, sqlite.OpenCreate)
	if err != nil {
		return nil, err
	}
	c.SetBusyTimeout(busyTimeout)
	for _, pragma := range append(pragmas, "PRAGMA mmap_size=1073741824") {
		if err := sqlitex.ExecuteTransient(c, pragma, nil); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", pragma, err), c.Close())
		}
	}
	lru, err := simplelru.NewLRU(statementsKept, func(_ statementKey, stmt *sqlite.Stmt) { _ = stmt.Finalize() })
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return &conn{Conn: c, statements: lru}, nil
}

// Close finalizes the statements and closes the connection.
func (c *conn) Close() error {
	c.statements.Purge()
	return c.Conn.Close()
}

// statement gives the prepared statement of sql, ready to be bound and run.
func (c *conn) statement(place int, sql string) (*sqlite.Stmt, error) {
	key := statementKey{place, sql}
	if stmt, ok := c.statements.Get(key); ok {
		return stmt, nil
	}
	stmt, trailing, err := c.PrepareTransient(sql)
	if err != nil {
		return nil, err
	}
	if trailing > 0 {
		return nil, errors.Join(fmt.Errorf("text behind the statement %s", sql), stmt.Finalize())
	}
	c.statements.Add(key, stmt)
	return stmt, nil
}

// any runs a statement and says whether it gives a row.
func (c *conn) any(sql string, args ...cell) (bool, error) {
	stmt, err := c.statement(0, sql)
	if err != nil {
		return false, err
	}
	for i, arg := range args {
		arg.bind(stmt, i+1)
	}
	row, err := stmt.Step()
	return row, errors.Join(err, stmt.Reset())
}

// exec runs a statement that gives no rows.
func (c *conn) exec(sql string, args ...cell) error {
	_, err := c.any(sql, args...)
	return err
}

// watch interrupts the connection when ctx ends, until unwatch. A request costs no goroutine:
// the connection watches one channel for as long as nothing was cancelled.
func (c *conn) watch(ctx context.Context) {
	if c.interrupt == nil {
		c.interrupt, c.fired = make(chan struct{}), make(chan struct{})
		c.SetInterrupt(c.interrupt)
	}
	if ctx.Done() == nil {
		c.stop = nil
		return
	}
	interrupt, fired := c.interrupt, c.fired
	c.stop = context.AfterFunc(ctx, func() {
		close(interrupt)
		close(fired)
	})
}

// unwatch says whether the context ended meanwhile.
func (c *conn) unwatch() bool {
	if c.stop == nil || c.stop() {
		return false
	}
	<-c.fired
	c.SetInterrupt(nil)
	c.interrupt = nil
	return true
}

// rollback ends a transaction that is still open.
func (c *conn) rollback() {
	if !c.AutocommitEnabled() {
		_ = sqlitex.ExecuteTransient(c.Conn, "ROLLBACK", nil) // SQLite's own error was returned already
	}
}

// A reader is a connection of the read pool with the memory that a request reuses.
type reader struct {
	*conn
	out, cursor, scratch []byte
}

func openReader(path string) (*reader, error) {
	c, err := openConn(path, "PRAGMA query_only=1", "PRAGMA cache_size=-4096")
	if err != nil {
		return nil, err
	}
	return &reader{conn: c}, nil
}

// mostKept is how much memory a reader keeps for the next request.
const mostKept = 1 << 20

// forget empties the reader's memory, and lets go of what a large answer took (I8).
func (r *reader) forget() {
	r.out = r.out[:0]
	if cap(r.out)+cap(r.scratch) > mostKept {
		r.out, r.scratch = nil, nil
	}
}

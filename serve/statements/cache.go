// Package statements keeps prepared statements: queries of the same form share one, whoever asks.
package statements

import (
	"context"
	"fmt"

	"tributary/serve/lru"
	"tributary/sinks/views"
)

// Preparer is the part of a views.Store that queries need.
type Preparer interface {
	Prepare(ctx context.Context, q *views.Query) (views.Statement, error)
}

// A Cache prepares queries, each form once. It is safe for concurrent use.
type Cache struct {
	store Preparer
	lru   *lru.Cache[views.Statement]
}

// A statement takes about so many bytes for one of its form's text.
const factor = 20

const (
	maxEntries = 10_000
	maxBytes   = 32 << 20
)

// New makes a cache over a store.
func New(store Preparer) *Cache {
	return &Cache{store: store, lru: lru.New[views.Statement](maxEntries, maxBytes, factor)}
}

// Statement gives the statement of a query.
func (c *Cache) Statement(ctx context.Context, q *views.Query) (views.Statement, error) {
	var buf [512]byte
	key := string(appendQuery(buf[:0], q))
	if stmt, ok := c.lru.Get(key); ok {
		return stmt, nil
	}
	stmt, err := c.store.Prepare(context.WithoutCancel(ctx), q)
	if err != nil {
		return nil, fmt.Errorf("prepare a query of entity %s: %w", q.Entity.Name, err)
	}
	c.lru.Add(key, stmt)
	return stmt, nil
}

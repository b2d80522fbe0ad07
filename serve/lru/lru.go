// Package lru keeps what was used last, within a number of entries and of bytes.
package lru

import (
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// A Cache keeps what was used last, within a number of entries and of bytes (I8). An entry is
// reckoned at a multiple of its key's length, which what is derived from a text grows with.
type Cache[V any] struct {
	maxBytes, perByte int

	mu    sync.Mutex // guards lru and bytes
	lru   *simplelru.LRU[string, V]
	bytes int
}

// New makes a cache of at most so many entries (above 0) and bytes.
func New[V any](entries, maxBytes, perByte int) *Cache[V] {
	c := &Cache[V]{maxBytes: maxBytes, perByte: perByte}
	c.lru, _ = simplelru.NewLRU(entries, func(key string, _ V) { c.bytes -= c.cost(key) }) // fails only for entries ≤ 0
	return c
}

func (c *Cache[V]) cost(key string) int { return len(key) * c.perByte }

// Get gives the value of a key.
func (c *Cache[V]) Get(key string) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lru.Get(key)
}

// Add keeps a value, unless the key has one.
func (c *Cache[V]) Add(key string, value V) {
	if c.cost(key) > c.maxBytes/8 {
		return // would push out too much else
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lru.Contains(key) {
		return
	}
	c.bytes += c.cost(key)
	c.lru.Add(key, value)
	for c.bytes > c.maxBytes {
		c.lru.RemoveOldest()
	}
}

// Len counts the entries.
func (c *Cache[V]) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lru.Len()
}

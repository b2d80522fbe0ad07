package graphql

import (
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// A cache keeps what was used last, within a number of entries and of bytes (I8). An entry is
// reckoned at a multiple of its key's length, which what is derived from a text grows with.
type cache[V any] struct {
	maxBytes, perByte int

	mu    sync.Mutex // guards lru and bytes
	lru   *simplelru.LRU[string, V]
	bytes int
}

func newCache[V any](entries, maxBytes, perByte int) *cache[V] {
	c := &cache[V]{maxBytes: maxBytes, perByte: perByte}
	c.lru, _ = simplelru.NewLRU(entries, func(key string, _ V) { c.bytes -= c.cost(key) }) // fails only for entries ≤ 0
	return c
}

func (c *cache[V]) cost(key string) int { return len(key) * c.perByte }

func (c *cache[V]) get(key string) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lru.Get(key)
}

func (c *cache[V]) add(key string, value V) {
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

func (c *cache[V]) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lru.Len()
}

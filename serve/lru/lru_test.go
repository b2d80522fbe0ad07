package lru

import (
	"fmt"
	"strings"
	"testing"
)

func TestBounds(t *testing.T) {
	c := New[int](3, 1<<20, 1)
	for i := range 5 {
		c.Add(fmt.Sprint(i), i)
		c.Get("0")
	}
	if c.Len() != 3 {
		t.Errorf("%d entries of 3", c.Len())
	}
	if _, ok := c.Get("0"); !ok {
		t.Error("what was used last is gone")
	}
	if _, ok := c.Get("1"); ok {
		t.Error("what was not used for long is still there")
	}
}

func TestBytes(t *testing.T) {
	c := New[int](100, 1000, 10)
	for i := range 50 {
		c.Add(fmt.Sprintf("%010d", i), i)
	}
	if c.Len() != 10 {
		t.Errorf("%d entries of 100 bytes in 1000", c.Len())
	}
	c.Add(strings.Repeat("x", 50), 1)
	if c.Len() != 10 {
		t.Error("an entry that is large against the cache pushed out others")
	}
	c.Add(fmt.Sprintf("%010d", 49), 7)
	if v, _ := c.Get(fmt.Sprintf("%010d", 49)); v != 49 {
		t.Error("a second Add replaced the first")
	}
}

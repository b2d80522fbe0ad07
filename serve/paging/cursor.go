// Package paging keeps what GraphQL lists and REST lists have in common: the size of pages and
// the cursors that lead from one to the next.
package paging

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
)

// The size of a page.
const (
	DefaultFirst = 50
	MaxFirst     = 1000
)

// ErrCursor is returned for a cursor that was not given out for this list in this order: ask
// for the first page again, or keep the order that the cursor came from.
var ErrCursor = errors.New("the cursor does not belong to this list in this order: use a cursor of the same query, or start without one")

// A Tag binds a cursor to a list and its order, so that a cursor of another order is refused
// instead of giving a page from nowhere.
type Tag [4]byte

// TagOf makes the tag of a list from the parts of its order.
func TagOf(entity string, parts ...string) Tag {
	h := fnv.New32a()
	h.Write([]byte(entity))
	for _, p := range parts {
		h.Write([]byte{0})
		h.Write([]byte(p))
	}
	return Tag(h.Sum(nil))
}

// AppendCursor appends the text of a cursor: base64url of the tag and the store's JSON array.
func AppendCursor(dst []byte, tag Tag, stored []byte) []byte {
	buf := make([]byte, 0, 64)
	buf = append(append(buf, tag[:]...), stored...)
	return base64.RawURLEncoding.AppendEncode(dst, buf)
}

// maxCursor bounds what a client may send as a cursor.
const maxCursor = 16 << 10

// ParseCursor gives the store's JSON array back. Whether its values fit is the store's to say
// (views.ErrArgument).
func ParseCursor(text string, tag Tag) (string, error) {
	if len(text) > maxCursor {
		return "", ErrCursor
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) < len(tag) || Tag(raw[:len(tag)]) != tag || !json.Valid(raw[len(tag):]) {
		return "", ErrCursor
	}
	return string(raw[len(tag):]), nil
}

// CheckFirst says what is wrong with the size of a page.
func CheckFirst(first int64) error {
	if first < 0 || first > MaxFirst {
		return fmt.Errorf("first is %d: give a number from 0 to %d", first, MaxFirst)
	}
	return nil
}

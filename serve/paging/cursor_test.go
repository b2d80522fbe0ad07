package paging_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tributary/serve/paging"
)

func TestCursorsLeadBackToTheirList(t *testing.T) {
	tag := paging.TagOf("product", "price", "desc")
	stored := `["9.90","SKU-1",null]`
	text := string(paging.AppendCursor([]byte("x"), tag, []byte(stored)))
	if got, err := paging.ParseCursor(text[1:], tag); err != nil || got != stored || text[0] != 'x' {
		t.Errorf("%q gives %q, %v", text, got, err)
	}
	for what, other := range map[string]paging.Tag{
		"another entity":     paging.TagOf("variant", "price", "desc"),
		"another direction":  paging.TagOf("product", "price", "asc"),
		"no order":           paging.TagOf("product"),
		"names run together": paging.TagOf("product", "pricedesc"),
	} {
		if _, err := paging.ParseCursor(text[1:], other); !errors.Is(err, paging.ErrCursor) {
			t.Errorf("a cursor of another list (%s): %v", what, err)
		}
	}
}

// Cursors come from clients: whatever they send is an error or JSON, and never a panic.
//
// A failure prints its seed; repeat it with
// go test ./serve/paging -run TestForeign -rapid.seed=SEED
func TestForeignCursorsAreRefused(t *testing.T) {
	tag := paging.TagOf("product")
	for _, text := range []string{"", "=", "AAAA", strings.Repeat("A", 20_000),
		base64.RawURLEncoding.EncodeToString(append(tag[:], "[1"...)), base64.StdEncoding.EncodeToString(append(tag[:], `["a>?"]`...))} {
		if _, err := paging.ParseCursor(text, tag); !errors.Is(err, paging.ErrCursor) {
			t.Errorf("%.40q: %v", text, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "cursor")
		if _, err := paging.ParseCursor(text, tag); err != nil && !errors.Is(err, paging.ErrCursor) {
			t.Fatal(err)
		}
	})
}

func TestCheckFirst(t *testing.T) {
	for first, ok := range map[int64]bool{-1: false, 0: true, paging.DefaultFirst: true, paging.MaxFirst: true, paging.MaxFirst + 1: false} {
		if err := paging.CheckFirst(first); (err == nil) != ok {
			t.Errorf("first %d: %v", first, err)
		}
	}
}

package state_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"tributary/processors/state"
)

// TestMain lets the watch of the disk's health pass that Pebble leaves behind where it cannot open.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/cockroachdb/pebble/v2/vfs.(*diskHealthCheckingFS).startTickerLocked.func1"))
}

func open(t *testing.T, dir string) *state.Store {
	t.Helper()
	s, err := state.Open(dir, zerolog.New(zerolog.NewTestWriter(t)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func space(t *testing.T, s *state.Store, subject string, partition int32) *state.Space {
	t.Helper()
	sp, err := s.Space(subject, partition)
	if err != nil {
		t.Fatal(err)
	}
	return sp
}

// put puts values under keys that equal them.
func put(t *testing.T, sp *state.Space, keys ...string) {
	t.Helper()
	b := sp.Batch()
	for _, k := range keys {
		if err := b.Set(sp.Key(nil, []byte(k)), []byte(k), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := sp.Commit(b); err != nil {
		t.Fatal(err)
	}
}

// list gives the values under the keys that begin with part, in order.
func list(t *testing.T, sp *state.Space, part string) (out []string) {
	t.Helper()
	it, err := sp.Iter([]byte(part))
	if err != nil {
		t.Fatal(err)
	}
	for it.First(); it.Valid(); it.Next() {
		out = append(out, string(it.Value()))
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSpacesAreApart(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	spaces := []*state.Space{space(t, s, "a", 0), space(t, s, "a", 1), space(t, s, "a", 255), space(t, s, "ab", 0)}
	for i, sp := range spaces {
		put(t, sp, fmt.Sprint("e", i), "\xff\xff")
	}
	for i, sp := range spaces {
		if got, want := list(t, sp, ""), []string{fmt.Sprint("e", i), "\xff\xff"}; !slices.Equal(got, want) {
			t.Errorf("space %d holds %q, want %q", i, got, want)
		}
	}
	if err := spaces[1].Clear(); err != nil {
		t.Fatal(err)
	}
	for i, sp := range spaces {
		if n := len(list(t, sp, "")); (n == 0) != (i == 1) {
			t.Errorf("space %d holds %d keys after another was cleared", i, n)
		}
	}
}

// The end of an iteration is the first key behind the prefix, also where its last byte is 255.
func TestIterKeepsToItsPrefix(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	sp := space(t, s, "a", -1) // a space whose prefix ends in 255s
	put(t, sp, "e", "e\x00", "e\xff", "e\xff\xff", "f", "\xff", "\xff\xff")
	for part, want := range map[string][]string{
		"":         {"e", "e\x00", "e\xff", "e\xff\xff", "f", "\xff", "\xff\xff"},
		"e":        {"e", "e\x00", "e\xff", "e\xff\xff"},
		"e\xff":    {"e\xff", "e\xff\xff"},
		"\xff":     {"\xff", "\xff\xff"},
		"\xff\xff": {"\xff\xff"},
		"d":        nil,
	} {
		if got := list(t, sp, part); !slices.Equal(got, want) {
			t.Errorf("keys from %q: %q, want %q", part, got, want)
		}
	}
}

func TestStateIsThereAfterACleanStop(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	first, second := space(t, s, "first", 3), space(t, s, "second", 3)
	put(t, first, "e1")
	b := second.Batch()
	if err := second.SetOffset(b, "input", 42); err != nil {
		t.Fatal(err)
	}
	if err := second.Commit(b); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = open(t, dir)
	defer s.Close()
	third, second, first := space(t, s, "third", 3), space(t, s, "second", 3), space(t, s, "first", 3) // another order
	if got := list(t, first, "e"); !slices.Equal(got, []string{"e1"}) {
		t.Errorf("first holds %q", got)
	}
	for sp, want := range map[*state.Space]int64{first: 0, second: 42, third: 0} {
		if got, err := sp.Offset("input"); err != nil || got != want {
			t.Errorf("offset %d, %v, want %d", got, err, want)
		}
	}
	if got, err := second.Offset("view"); err != nil || got != 0 {
		t.Errorf("an offset that was never put is %d, %v", got, err)
	}
}

func TestGetAppends(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	sp := space(t, s, "a", 0)
	put(t, sp, "e1")
	if got, ok, err := sp.Get([]byte("x"), sp.Key(nil, []byte("e"), []byte("1"))); string(got) != "xe1" || !ok || err != nil {
		t.Errorf("got %q, %t, %v", got, ok, err)
	}
	if got, ok, err := sp.Get([]byte("x"), sp.Key(nil, []byte("e"))); string(got) != "x" || ok || err != nil {
		t.Errorf("a key that is not there: %q, %t, %v", got, ok, err)
	}
}

func TestSubjectsThatComeTogetherGetSpacesOfTheirOwn(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			name := fmt.Sprint("subject", i/2) // each is asked for twice
			sp, err := s.Space(name, 0)
			if err != nil {
				t.Error(err)
				return
			}
			put(t, sp, name)
		})
	}
	wg.Wait()
	for i := range 16 {
		name := fmt.Sprint("subject", i)
		if got := list(t, space(t, s, name, 0), ""); !slices.Equal(got, []string{name}) {
			t.Errorf("%s holds %q", name, got)
		}
	}
}

func TestADamagedStoreNamesTheMend(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	put(t, space(t, s, "a", 0), "e1")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	manifests, err := filepath.Glob(filepath.Join(dir, "MANIFEST-*"))
	if err != nil || len(manifests) == 0 {
		t.Fatalf("no manifest in %s: %v", dir, err)
	}
	for _, m := range manifests {
		if err := os.WriteFile(m, []byte("damaged"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err = state.Open(dir, zerolog.Nop())
	if err == nil {
		s.Close()
		t.Fatal("a damaged store is opened")
	}
	if !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "delete the folder") {
		t.Errorf("the error does not say what to do: %v", err)
	}
}

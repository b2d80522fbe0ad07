package crash_test

import (
	"strings"
	"testing"
	"time"

	"tributary/internal/crash"
)

func TestCheck(t *testing.T) {
	at := func(second int) time.Time { return time.Date(2026, 1, 1, 0, 0, second, 0, time.UTC) }
	h := crash.NewHistory()
	for i, value := range []int64{1, 2, 3} { // acknowledged at 10, 20, 30; 4 has no outcome
		h.Try("k", value)
		h.Acked("k", value, at(10*(i+1)))
	}
	h.Try("k", 4)
	for _, c := range []struct {
		name   string
		answer crash.Answer
		want   string
	}{
		{"claims nothing and is old", crash.Answer{Key: "k", Found: true, Value: 0}, ""},
		{"claims nothing and is not there", crash.Answer{Key: "k"}, ""},
		{"claims the time of its own value", crash.Answer{Key: "k", Found: true, Value: 1, VerifiedThrough: at(20)}, ""},
		{"is newer than its claim", crash.Answer{Key: "k", Found: true, Value: 3, VerifiedThrough: at(11)}, ""},
		{"shows a value without outcome", crash.Answer{Key: "k", Found: true, Value: 4, VerifiedThrough: at(40)}, ""},
		{"is early", crash.Answer{Key: "k", Found: true, Value: 1, VerifiedThrough: at(21)}, "the answer is 1, though 2 was acknowledged at 00:00:20.000000, 1s before"},
		{"is early and not there", crash.Answer{Key: "k", VerifiedThrough: at(11)}, "not found, though 1"},
		{"is not there before the first", crash.Answer{Key: "k", VerifiedThrough: at(10)}, ""},
		{"was never written", crash.Answer{Key: "k", Found: true, Value: 5}, "never written; the highest is 4"},
		{"of a key never written", crash.Answer{Key: "other", Found: true, Value: 5}, "never written"},
		{"of a row from before", crash.Answer{Key: "other", Found: true, VerifiedThrough: at(50)}, ""},
		{"goes back", crash.Answer{Key: "k", Found: true, Value: 2, Seen: 3, VerifiedThrough: at(20)}, "though 3 had been shown"},
		{"goes back and claims nothing", crash.Answer{Key: "k", Found: true, Value: 2, Seen: 3}, ""},
		{"shows a lower version", crash.Answer{Key: "k", Found: true, Value: 4, Version: crash.Version{1, 0, 9, 9}, SeenVersion: crash.Version{1, 0, 10, 0}}, "though [1 0 10 0] had been shown"},
		{"shows a version", crash.Answer{Key: "k", Found: true, Value: 4, Version: crash.Version{1, 0, 10, 1}, SeenVersion: crash.Version{1, 0, 10, 0}}, ""},
		{"goes away", crash.Answer{Key: "k", Seen: 3, VerifiedThrough: at(10)}, "though 3 had been shown"},
	} {
		got := h.Check(c.answer)
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("an answer that %s: %q, want %q", c.name, got, c.want)
		}
	}
	if n, v := h.Shown("k"); n != 4 || v != (crash.Version{1, 0, 10, 1}) {
		t.Errorf("Shown = %d %v, want 4 [1 0 10 1]", n, v)
	}
}

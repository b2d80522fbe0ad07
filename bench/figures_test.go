package main

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestMedianAndQuantile(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{[]float64{3, 1, 2}, 2}, {[]float64{4, 1, 3, 2}, 2.5}, {[]float64{7}, 7}} {
		if got := median(c.values); got != c.want {
			t.Errorf("median of %v is %v, want %v", c.values, got, c.want)
		}
	}
	if !math.IsNaN(median(nil)) {
		t.Error("the median of nothing is a number")
	}
	took := make([]time.Duration, 100)
	for i := range took {
		took[i] = time.Duration(100-i) * time.Millisecond
	}
	for q, want := range map[float64]time.Duration{0: 1, 0.5: 50, 0.99: 99, 1: 100} {
		if got := quantile(took, q); got != want*time.Millisecond {
			t.Errorf("quantile %v is %v, want %v ms", q, got, want)
		}
	}
	if quantile(nil, 0.5) != 0 {
		t.Error("the quantile of nothing is not 0")
	}
}

func TestNumbersAreShort(t *testing.T) {
	for v, want := range map[float64]string{0: "0.000", 0.04567: "0.046", 1.678: "1.68", 75.04: "75.0", 119.4: "119", 8951.4: "8,951",
		2_301_000: "2,301,000", math.NaN(): "–"} {
		if got := number(v); got != want {
			t.Errorf("%v is written %q, want %q", v, got, want)
		}
	}
	if got := spread([]float64{3, 1, 2}); got != "1.00 – 3.00 (3)" {
		t.Errorf("the spread is %q", got)
	}
}

func TestBoardGathersRunsAndRatios(t *testing.T) {
	b := &board{bench: "P1"}
	for _, v := range []float64{10, 30, 20} {
		b.add("ours", "/s", "", v)
		b.add("theirs", "/s", "", 2*v)
	}
	b.ratio("of theirs", "ours", "theirs", "≥ 0.8")
	b.ratio("of nobody's", "ours", "nobody", "")
	if len(b.figures) != 3 {
		t.Fatalf("%d figures, want 3", len(b.figures))
	}
	if got := b.figures[2].value(); got != 0.5 {
		t.Errorf("the ratio of the medians is %v, want 0.5", got)
	}
}

func TestNewFiguresTakeTheirPlace(t *testing.T) {
	old := []result{{Bench: "P1", Commit: "a"}, {Bench: "P8", Commit: "a"}}
	got := merge(old, []result{{Bench: "P8", Commit: "b"}, {Bench: "P4", Commit: "b"}})
	var text []string
	for _, r := range got {
		text = append(text, r.Bench+r.Commit)
	}
	if want := "P1a P4b P8b"; strings.Join(text, " ") != want {
		t.Errorf("merged to %v, want %s", text, want)
	}
	if old[1].Commit != "a" {
		t.Error("merging changed what it was given")
	}
}

func TestOnlyTheFiguresOfADocumentChange(t *testing.T) {
	document := "# Bench\n" + beginMark + "\nold\n" + endMark + "\nrest\n"
	got, err := replaceSection([]byte(document), "| new |\n")
	if want := "# Bench\n" + beginMark + "\n\n| new |\n\n" + endMark + "\nrest\n"; err != nil || string(got) != want {
		t.Errorf("got %q, %v", got, err)
	}
	for _, broken := range []string{"", endMark + beginMark, beginMark} {
		if _, err := replaceSection([]byte(broken), "x"); err == nil {
			t.Errorf("no error for marks as in %q", broken)
		}
	}
}

func TestUnmeasuredBenchesAreNamed(t *testing.T) {
	got := unmeasured([]result{{Bench: "P1"}, {Bench: "P4"}, {Bench: "P5"}, {Bench: "P7"}, {Bench: "P8"}, {Bench: "P9"}})
	if want := "Not measured yet: P6a, P6b.\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestBenchesAreChosenByName(t *testing.T) {
	list, err := chosen("p8, P1")
	if err != nil || len(list) != 2 || list[0].id != "P8" || list[1].id != "P1" {
		t.Errorf("chose %v, %v", list, err)
	}
	if _, err := chosen("p2"); err == nil || !strings.Contains(err.Error(), "p6a") {
		t.Errorf("the error for an unknown bench names none that there are: %v", err)
	}
}

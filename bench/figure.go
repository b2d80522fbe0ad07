package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
)

// A figure is one measured quantity of a bench.
type figure struct {
	Bench string    `json:"bench"` // P6a
	Name  string    `json:"name"`  // what was measured
	Unit  string    `json:"unit"`
	Aim   string    `json:"aim,omitempty"`
	Runs  []float64 `json:"runs"` // in the order of the runs
}

// value is what stands for the figure: the median of its runs.
func (f *figure) value() float64 { return median(f.Runs) }

// A result holds the figures of one bench from one run of this command.
type result struct {
	Bench   string     `json:"bench"`
	Date    string     `json:"date"` // UTC
	Commit  string     `json:"commit"`
	Command string     `json:"command"`
	Size    string     `json:"size"` // what it ran over; says so where it was small
	Machine machine    `json:"machine"`
	Load    [2]float64 `json:"load"` // of the machine before and after
	Figures []*figure  `json:"figures"`
}

// A board collects the figures of one bench.
type board struct {
	bench   string
	size    string
	figures []*figure
	hot     []string // texts of profiles
}

// add notes the value of one run.
func (b *board) add(name, unit, aim string, value float64) {
	for _, f := range b.figures {
		if f.Name == name {
			f.Runs = append(f.Runs, value)
			return
		}
	}
	b.figures = append(b.figures, &figure{Bench: b.bench, Name: name, Unit: unit, Aim: aim, Runs: []float64{value}})
}

// ratio adds the ratio of two figures' medians, where both are there.
func (b *board) ratio(name, of, to, aim string) {
	var above, under *figure
	for _, f := range b.figures {
		switch f.Name {
		case of:
			above = f
		case to:
			under = f
		}
	}
	if above != nil && under != nil && under.value() > 0 {
		b.add(name, "×", aim, above.value()/under.value())
	}
}

// merge puts new results in the places of earlier ones of the same benches.
func merge(old, new []result) []result {
	out := slices.Clone(old)
	for _, r := range new {
		if i := slices.IndexFunc(out, func(o result) bool { return o.Bench == r.Bench }); i >= 0 {
			out[i] = r
		} else {
			out = append(out, r)
		}
	}
	slices.SortStableFunc(out, func(a, b result) int { return cmp.Compare(a.Bench, b.Bench) })
	return out
}

func readResults(path string) ([]result, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []result
	if err := json.Unmarshal(text, &out); err != nil {
		return nil, fmt.Errorf("earlier figures in %s: %w; remove the file to begin anew", path, err)
	}
	return out, nil
}

func writeResults(path string, results []result) error {
	text, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

package demo

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fatih/color"

	"tributary/sinks/clickhouse"
)

// Widths of the board's columns.
const (
	wideName   = 18
	wideState  = 13
	wideNumber = 11
	wideBar    = 30
	// wideTable is what all columns but the spark line take.
	wideTable = 2 + wideName + wideState + 4*wideNumber + 2
	// narrowSpark is below which a spark line says nothing.
	narrowSpark = 10
)

// A board draws readings as a table of so many columns of characters.
type board struct {
	paint
	width, height int
	took          time.Duration
}

// draw gives the lines, none wider than the terminal and no more of them than it has.
func (b board) draw(r *Reading) []string {
	var out []string
	if b.waiting(r) {
		out = append(out, b.bold("  First snapshots"))
		for _, s := range r.Streams {
			out = append(out, b.progress(s))
		}
	} else {
		out = append(out, b.head("STREAM", "DEAD"))
		for _, s := range r.Streams {
			out = append(out, b.row(s, grouped(s.DeadLetters), s.DeadLetters > 0))
		}
	}
	out = append(out, "", b.head("VIEW", "CONFLICTS"))
	for _, v := range r.Views {
		out = append(out, b.row(v, number(v.Conflicts), false))
	}
	foot := "  up " + b.took.Truncate(time.Second).String()
	if slices.ContainsFunc(r.Views, func(v Row) bool { return v.StalenessMs == nil }) {
		foot += "   the views are being made"
	}
	if r.Committed > 0 {
		foot += fmt.Sprintf("   %s transactions on the databases", grouped(r.Committed))
	}
	if r.Failed > 0 {
		foot += fmt.Sprintf(", %s refused", grouped(r.Failed))
	}
	out = append(out, "", b.faint(foot+"   Ctrl-C stops"))
	return out[:min(len(out), max(1, b.height-1))]
}

// waiting says whether a first snapshot is under way.
func (b board) waiting(r *Reading) bool {
	return slices.ContainsFunc(r.Streams, func(s Row) bool { return !s.captured() })
}

// numbers joins as many columns of numbers as the terminal has room for.
func (b board) numbers(cells ...string) string {
	var line strings.Builder
	for _, cell := range cells[:min(len(cells), max(0, (b.width-2-wideName-wideState)/wideNumber))] {
		line.WriteString(right(cell, wideNumber))
	}
	return line.String()
}

func (b board) head(what, last string) string {
	return b.faint("  " + left(what, wideName) + left("STATE", wideState) + b.numbers("CHANGES/S", "LAG", "STALENESS", last))
}

func (b board) row(r Row, last string, alarm bool) string {
	numbers := b.numbers(fmt.Sprintf("%.1f", r.PerSecond), number(r.LagRecords), millis(r.StalenessMs), last)
	if alarm {
		numbers = b.in(numbers, color.FgRed)
	}
	line := "  " + left(r.Name, wideName) + b.state(left(r.State, wideState), r.State) + numbers
	if room := min(b.width-wideTable, sparkTime); room >= narrowSpark {
		line += "  " + b.in(clickhouse.Spark(r.recent[max(0, len(r.recent)-room):]), color.FgCyan)
	}
	return line
}

// progress is the row of a stream whose snapshot runs, or is through before the others.
func (b board) progress(r Row) string {
	read, all := r.rows()
	share := 0.0
	switch {
	case r.captured():
		share = 1
	case all > 0:
		share = float64(read) / float64(all)
	}
	numbers := right(fmt.Sprintf("%.0f %%", 100*share), 7) + right(grouped(read)+" of "+grouped(all), 2*wideNumber) +
		right(grouped(int64(r.PerSecond))+" rows/s", wideNumber+5)
	room := b.width - 2 - wideName - utf8.RuneCountInString(numbers)
	return "  " + left(r.Name, wideName) + b.in(bar(share, min(max(room, 0), wideBar)), color.FgCyan) + numbers
}

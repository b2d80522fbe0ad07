package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fatih/color"
)

// json says whether the output is for machines.
func (c *cli) json() bool { return c.output == "json" }

// printJSON writes a value to stdout as indented JSON.
func (c *cli) printJSON(v any) error {
	enc := json.NewEncoder(c.stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// A paint colours text where a terminal shows it: never in a pipe, nor where NO_COLOR is set
// (https://no-color.org).
type paint struct{ on bool }

func paintFor(w io.Writer) paint {
	f, ok := w.(*os.File)
	return paint{on: ok && isTerminal(f) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

func (p paint) in(text string, attributes ...color.Attribute) string {
	if !p.on || text == "" {
		return text
	}
	c := color.New(attributes...)
	c.EnableColor()
	return c.Sprint(text)
}

func (p paint) good(text string) string  { return p.in(text, color.FgGreen) }
func (p paint) warn(text string) string  { return p.in(text, color.FgYellow) }
func (p paint) bad(text string) string   { return p.in(text, color.FgRed) }
func (p paint) faint(text string) string { return p.in(text, color.Faint) }
func (p paint) bold(text string) string  { return p.in(text, color.Bold) }

// state colours the name of a state of freshness.
func (p paint) state(text string) string {
	switch strings.TrimSpace(text) {
	case "LIVE":
		return p.good(text)
	case "LAGGING", "SNAPSHOTTING":
		return p.warn(text)
	case "STALLED", "DEGRADED":
		return p.bad(text)
	}
	return p.faint(text)
}

// A table is printed with columns as wide as their widest cell.
type table struct {
	head  []string
	rows  [][]string
	right map[int]bool                // columns that hold numbers
	style map[int]func(string) string // colours a cell that has its width already
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// write prints the table; the last column is not padded.
func (t *table) write(w io.Writer, p paint) {
	width := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	line := func(row []string, style func(i int, cell string) string) {
		var b strings.Builder
		for i, cell := range row {
			if i > 0 {
				b.WriteString("  ")
			}
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			switch {
			case t.right[i]:
				cell = pad + cell
			case i < len(row)-1:
				cell += pad
			}
			b.WriteString(style(i, cell))
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
	line(t.head, func(_ int, cell string) string { return p.faint(cell) })
	for _, row := range t.rows {
		line(row, func(i int, cell string) string {
			if style := t.style[i]; style != nil {
				return style(cell)
			}
			return cell
		})
	}
}

// none stands for what is not known: never 0.
const none = "-"

// number shows a count that may be unknown.
func number(n *int64) string {
	if n == nil {
		return none
	}
	return grouped(*n)
}

// grouped writes 1234567 as 1,234,567.
func grouped(n int64) string {
	text := fmt.Sprint(n)
	start := 0
	if n < 0 {
		start = 1
	}
	for at := len(text) - 3; at > start; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// millis shows a time span that may be unknown.
func millis(ms *int64) string {
	if ms == nil {
		return none
	}
	return span(time.Duration(*ms) * time.Millisecond)
}

// span shows a time span in at most two units: 350ms, 4.2s, 3m05s, 2h10m, 3d04h.
func span(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1fs", d.Truncate(100*time.Millisecond).Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
}

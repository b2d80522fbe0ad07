package demo

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fatih/color"
)

// unknown stands for what is not known: never 0.
const unknown = "–"

// grouped writes 1234567 as 1,234,567.
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	for at := len(text) - 3; at > 0 && text[at-1] != '-'; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

func number(n *int64) string {
	if n == nil {
		return unknown
	}
	return grouped(*n)
}

func millis(ms *int64) string {
	if ms == nil {
		return unknown
	}
	return span(time.Duration(*ms) * time.Millisecond)
}

// span writes a time span in at most two units.
func span(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d:%02d min", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d:%02d h", int(d.Hours()), int(d.Minutes())%60)
}

// left and right pad a cell to a width, and cut what is longer.
func left(text string, width int) string {
	if n := utf8.RuneCountInString(text); n < width {
		return text + strings.Repeat(" ", width-n)
	}
	return string([]rune(text)[:width])
}

func right(text string, width int) string {
	if n := utf8.RuneCountInString(text); n < width {
		return strings.Repeat(" ", width-n) + text
	}
	return text
}

// bar draws a share of 0 to 1.
func bar(share float64, width int) string {
	full := int(min(max(share, 0), 1)*float64(width) + 0.5)
	return strings.Repeat("█", full) + strings.Repeat("░", width-full)
}

// A paint colours text, where it is on.
type paint struct{ on bool }

func (p paint) in(text string, attributes ...color.Attribute) string {
	if !p.on {
		return text
	}
	c := color.New(attributes...)
	c.EnableColor()
	return c.Sprint(text)
}

func (p paint) faint(text string) string { return p.in(text, color.Faint) }
func (p paint) bold(text string) string  { return p.in(text, color.Bold) }

// state colours a cell by the state that it names.
func (p paint) state(cell, state string) string {
	switch state {
	case "LIVE":
		return p.in(cell, color.FgGreen)
	case "LAGGING", "SNAPSHOTTING":
		return p.in(cell, color.FgYellow)
	case "STALLED", "DEGRADED":
		return p.in(cell, color.FgRed)
	}
	return p.faint(cell)
}

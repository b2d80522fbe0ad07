package mesh

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A Fault is one thing that is wrong in a manifest.
type Fault struct {
	Pos
	What       string `json:"what"`                 // what is wrong
	Suggestion string `json:"suggestion,omitempty"` // what would be right
	// Text is the line at fault, with secrets masked (I11); empty where there is none.
	Text  string `json:"text,omitempty"`
	caret int    // runes of Text before the caret
}

// Faults is the error of a manifest: all that is wrong with it, sorted by file, line and column.
type Faults []Fault

// Error gives each fault as file:line:column: what: suggestion, with the line and a caret.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i := range f {
		lines[i] = f[i].String()
	}
	return strings.Join(lines, "\n")
}

// String gives the fault in one line, followed by the line at fault and a caret where known.
func (f Fault) String() string {
	var b strings.Builder
	b.WriteString(f.Pos.String() + ": " + f.What)
	if f.Suggestion != "" {
		b.WriteString(": " + f.Suggestion)
	}
	if f.Text == "" {
		return b.String()
	}
	text, caret := window([]rune(f.Text), f.caret)
	fmt.Fprintf(&b, "\n  | %s\n  | ", string(text))
	for _, r := range text[:caret] {
		if r != '\t' {
			r = ' '
		}
		b.WriteRune(r)
	}
	b.WriteByte('^')
	return b.String()
}

const (
	// maxText bounds how many runes of a line a fault shows.
	maxText = 160
	// maxLine bounds the bytes of a line that is shown at all: JSON in one line is not.
	maxLine = 16 << 10
)

// window cuts a long line down to what stands around its caret.
func window(text []rune, caret int) ([]rune, int) {
	caret = min(max(caret, 0), len(text))
	if len(text) <= maxText {
		return text, caret
	}
	from := min(max(caret-maxText/2, 0), len(text)-maxText)
	return text[from : from+maxText], caret - from
}

// String gives file:line:column, or the file alone where no line is known.
func (p Pos) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

func comparePos(a, b Pos) int {
	return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
}

// looksSecret finds what may be a credential in a line: behind a key that is called like one
// (misspelt, perhaps), or in a URL. It also serves text that could not be parsed.
var looksSecret = regexp.MustCompile(`(?i)(?:pas\w*|pwd|secret\w*|token\w*)["']?\s*[:=]\s*["']?([^\s{"',][^\s"',]*)|://[^/\s:@]*:(\S+)@`)

// secretIn gives the byte where a credential may begin in a line, or −1. References are none, nor
// are expressions over a row.
func secretIn(line string) int {
	for _, m := range looksSecret.FindAllStringSubmatchIndex(line, -1) {
		from, to := max(m[2], m[4]), max(m[3], m[5])
		if text := line[from:to]; !onlyRefs.MatchString(text) && !strings.HasPrefix(text, "row.") && !strings.HasPrefix(text, "row[") {
			return from
		}
	}
	return -1
}

// A collector gathers faults, and knows the text they point into.
type collector struct {
	lines map[string][]string
	// hasSyntaxFault says that a part of the manifest could not be read.
	hasSyntaxFault bool
	secret         map[Pos]bool // where literal secrets begin: the rest of the line is never shown
	faults         Faults
}

func newCollector(files []File) *collector {
	c := &collector{lines: map[string][]string{}, secret: map[Pos]bool{}}
	for _, f := range files {
		c.lines[f.Name] = strings.Split(strings.TrimPrefix(string(f.Text), "\ufeff"), "\n")
	}
	return c
}

func (c *collector) add(p Pos, what, suggestion string) {
	c.faults = append(c.faults, Fault{Pos: p, What: what, Suggestion: suggestion})
}

// err gives all faults in order, each once, or nil.
func (c *collector) err() error {
	if len(c.faults) == 0 {
		return nil
	}
	slices.SortStableFunc(c.faults, func(a, b Fault) int {
		return cmp.Or(comparePos(a.Pos, b.Pos), cmp.Compare(a.What, b.What))
	})
	c.faults = slices.CompactFunc(c.faults, func(a, b Fault) bool { return a.Pos == b.Pos && a.What == b.What })
	for i := range c.faults {
		f := &c.faults[i]
		if lines := c.lines[f.File]; f.Line > 0 && f.Line <= len(lines) && len(lines[f.Line-1]) <= maxLine {
			f.Text, f.caret = c.mask(f.Pos, strings.TrimRight(lines[f.Line-1], "\r"))
		}
	}
	return c.faults
}

// mask cuts a line where a literal secret begins in it, and says where the caret stands then.
func (c *collector) mask(p Pos, line string) (text string, caret int) {
	runes := []rune(line)
	cut := len(runes)
	if at := secretIn(line); at >= 0 {
		cut = len([]rune(line[:at]))
	}
	for q := range c.secret {
		if q.File == p.File && q.Line == p.Line {
			cut = min(cut, max(q.Column-1, 0))
		}
	}
	caret = min(max(p.Column-1, 0), cut)
	if cut < len(runes) {
		return string(runes[:cut]) + "***", caret
	}
	return line, caret
}

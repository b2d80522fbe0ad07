package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// A machine writes each event as a line of JSON.
type machine struct {
	mu  sync.Mutex // one line at a time
	enc *json.Encoder
}

func newMachine(out io.Writer) *machine {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	return &machine{enc: enc}
}

func (m *machine) tell(e event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_ = m.enc.Encode(e) // whoever closed the pipe wants no more lines
}

func (m *machine) close() {}

const (
	statusEvery = 10 * time.Second
	seedEvery   = 2 * time.Second
)

// Lines writes for pipes and files: what is new, and how the mesh stands every ten seconds.
type lines struct {
	mu     sync.Mutex // protects all below
	out    io.Writer
	status time.Time            // of the last status
	seeded map[string]time.Time // of the last line about a database
	done   map[string]int       // products by database, as last said
	states map[string]string    // of streams and views
}

func newLines(out io.Writer) *lines {
	return &lines{out: out, seeded: map[string]time.Time{}, done: map[string]int{}, states: map[string]string{}}
}

func (l *lines) tell(e event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch e.Kind {
	case kindBegin, kindStop:
		fmt.Fprintf(l.out, "%s …\n", e.Text)
	case kindDone, kindEnd:
		fmt.Fprintf(l.out, "%s (%s)\n", e.Text, span(e.took))
	case kindFill:
		p := e.Filled
		if p.Done == l.done[p.Database] {
			return
		}
		if p.Done >= p.Total || e.Time.Sub(l.seeded[p.Database]) >= seedEvery {
			l.seeded[p.Database], l.done[p.Database] = e.Time, p.Done
			fmt.Fprintf(l.out, "filled %s: %s of %s products\n", p.Database, grouped(int64(p.Done)), grouped(int64(p.Total)))
		}
	case kindReady:
		var b strings.Builder // one write: the log may go to the same file
		fmt.Fprintf(&b, "%s\nReady %s after the start. In another terminal:\n", e.Text, span(e.Ready.Took))
		for _, c := range e.Ready.Commands {
			fmt.Fprintf(&b, "\n# %s\n%s\n", c.Title, c.Shell)
		}
		fmt.Fprint(l.out, b.String()+"\n")
	case kindStatus:
		l.showStatus(e)
	}
}

func (l *lines) showStatus(e event) {
	for _, row := range append(e.Status.Streams, e.Status.Views...) {
		if was, known := l.states[row.Name]; known && was != row.State {
			fmt.Fprintf(l.out, "%s %s is %s, was %s\n", e.Time.Format(time.TimeOnly), row.Name, row.State, was)
		}
		l.states[row.Name] = row.State
	}
	if e.Time.Sub(l.status) < statusEvery {
		return
	}
	l.status = e.Time
	fmt.Fprintf(l.out, "%s %s\n", e.Time.Format(time.TimeOnly), e.Status.summary())
}

func (l *lines) close() {}

// summary is the mesh in one line.
func (r *Reading) summary() string {
	var live int
	var lag, conflicts, letters, stale int64
	var rate float64
	for _, s := range r.Streams {
		rate += s.PerSecond
		letters += s.DeadLetters
	}
	for _, v := range r.Views {
		if v.State == "LIVE" {
			live++
		}
		if v.StalenessMs == nil {
			return r.snapshots()
		}
		stale = max(stale, *v.StalenessMs)
		lag, conflicts = lag+orZero(v.LagRecords), conflicts+orZero(v.Conflicts)
	}
	return fmt.Sprintf("live=%d/%d changes/s=%.1f lag=%d staleness=%s conflicts=%d deadletters=%d transactions=%d",
		live, len(r.Views), rate, lag, time.Duration(stale)*time.Millisecond, conflicts, letters, r.Committed)
}

// snapshots tells how far the first snapshots are.
func (r *Reading) snapshots() string {
	var read, all int64
	for _, s := range r.Streams {
		n, of := s.rows()
		read, all = read+n, all+of
	}
	return fmt.Sprintf("first snapshots: %s of %s rows", grouped(read), grouped(all))
}

func orZero(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}

package demo

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/fatih/color"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/cwriter"
	"github.com/vbauerster/mpb/v8/decor"
)

func newScreen(o Options) screen {
	switch {
	case o.JSON:
		return newMachine(o.Stdout)
	case isTerminal(o.Stdout) && os.Getenv("TERM") != "dumb":
		return newTerminal(o.Stdout.(*os.File), os.Getenv("NO_COLOR") == "")
	}
	return newLines(o.Stdout)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && cwriter.IsTerminal(int(f.Fd()))
}

// A terminal shows bars while the demo is prepared, then the board, in place.
type terminal struct {
	paint
	out   *os.File
	begun time.Time

	mu    sync.Mutex // protects all below
	bars  *mpb.Progress
	steps []*mpb.Bar
	seeds map[string]*mpb.Bar
	board *cwriter.Writer // nil until the first reading
	last  *Reading
	ended bool
}

func newTerminal(out *os.File, colours bool) *terminal {
	return &terminal{paint: paint{colours}, out: out, begun: time.Now(), seeds: map[string]*mpb.Bar{}}
}

func (t *terminal) tell(e event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return
	}
	switch e.Kind {
	case kindBegin:
		t.begin(e.Text)
	case kindDone:
		t.print("  " + t.in("✓", color.FgGreen) + " " + e.Text + t.faint("  "+span(e.took)))
	case kindFill:
		t.seed(e)
	case kindReady:
		t.announce(e)
	case kindStop:
		t.last = nil // the board stays as it is
		t.settle()
		fmt.Fprintf(t.out, "\r  %s …\n", e.Text) // over the terminal's ^C
	case kindEnd:
		fmt.Fprintf(t.out, "  %s %s%s\n", t.in("✓", color.FgGreen), e.Text, t.faint("  "+span(e.took)))
		t.ended = true
	case kindStatus:
		t.last = e.Status
		t.show()
	}
}

// begin shows that something takes its time.
func (t *terminal) begin(text string) {
	t.steps = append(t.steps, t.container().New(1, mpb.SpinnerStyle().PositionLeft(), mpb.BarWidth(1), mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name("  ")), mpb.AppendDecorators(decor.Name(text+"  "), decor.Elapsed(decor.ET_STYLE_MMSS))))
}

func (t *terminal) seed(e event) {
	p := e.Filled
	b := t.seeds[p.Database]
	if b == nil && p.Done >= p.Total {
		return // all of it was there already, or came at once
	}
	if b == nil {
		style := mpb.BarStyle().Lbound("").Rbound("").Filler("█").Tip("█").Padding("░").FillerMeta(t.cyan).TipMeta(t.cyan)
		b = t.container().New(int64(p.Total), style, mpb.BarWidth(wideBar), mpb.PrependDecorators(decor.Name("  "+left("seeding "+p.Database, wideName))),
			mpb.AppendDecorators(decor.Percentage(decor.WC{W: 7}), decor.Any(func(s decor.Statistics) string {
				return grouped(s.Current) + " of " + grouped(s.Total) + " products"
			}, decor.WC{W: 2*wideNumber + 9})))
		t.seeds[p.Database] = b
	}
	b.SetCurrent(int64(p.Done))
}

func (t *terminal) cyan(text string) string { return t.in(text, color.FgCyan) }

func (t *terminal) container() *mpb.Progress {
	if t.bars == nil {
		t.bars = mpb.New(mpb.WithOutput(t.out), mpb.WithAutoRefresh())
	}
	return t.bars
}

// settle ends the bars, so that what comes next is written below them.
func (t *terminal) settle() {
	for _, s := range t.steps {
		s.Abort(true)
	}
	for _, b := range t.seeds {
		b.Abort(false)
	}
	if t.bars != nil {
		t.bars.Wait()
	}
	t.bars, t.steps = nil, nil
	clear(t.seeds)
}

// print writes lines that stay, above the board.
func (t *terminal) print(text string) {
	t.settle()
	if t.board == nil {
		fmt.Fprintln(t.out, text)
		return
	}
	fmt.Fprintln(t.board, text)
	_ = t.board.Flush(0) // over the last board; the next one goes below
	t.show()
}

func (t *terminal) announce(e event) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%s\n", e.Text, t.bold(fmt.Sprintf("Ready %s after the start. In another terminal:", span(e.Ready.Took))))
	for _, c := range e.Ready.Commands {
		fmt.Fprintf(&b, "%s\n%s\n", t.in("# "+c.Title, color.FgGreen), c.Shell)
	}
	t.print(b.String())
}

// show draws the last reading in place of the one before.
func (t *terminal) show() {
	if t.last == nil {
		return
	}
	if t.board == nil {
		t.settle()
		fmt.Fprintln(t.out)
		t.board = cwriter.New(t.out)
	}
	width, height, err := t.board.GetTermSize()
	if err != nil {
		width, height = 80, 24
	}
	rows := board{paint: t.paint, width: width, height: height, took: time.Since(t.begun)}.draw(t.last)
	for _, row := range rows {
		fmt.Fprintln(t.board, row)
	}
	_ = t.board.Flush(len(rows)) // a terminal that is gone needs no board
}

func (t *terminal) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.settle()
	t.ended = true
}

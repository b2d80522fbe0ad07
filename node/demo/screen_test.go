package demo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"tributary/internal/golden"
	"tributary/node"
	"tributary/serve/rest"
)

func known(n int64) *int64 { return &n }

// readings are the example's: in the first snapshots, and later with something of everything.
func readings() (early, late Reading) {
	estimate := known(49_851)
	early = Reading{
		Streams: []Row{
			{Name: "erp.condition", State: "SNAPSHOTTING", PerSecond: 12_462.7, Snapshot: &rest.Snapshot{State: "running", Rows: 10_827, Estimate: estimate}},
			{Name: "erp.order", State: "SNAPSHOTTING"},
			{Name: "pim.product", State: "SNAPSHOTTING", Snapshot: &rest.Snapshot{State: "done", Rows: 20_000, Estimate: estimate}},
		},
		Views: []Row{{Name: "product", State: "SNAPSHOTTING"}},
	}
	late = Reading{
		Streams: []Row{
			{Name: "erp.condition", State: "LIVE", PerSecond: 31.4, LagRecords: known(0), StalenessMs: known(294), recent: []float64{0, 3, 9, 40, 12}},
			{Name: "erp.order", State: "STALLED", LagRecords: known(12_345), StalenessMs: known(185_000), DeadLetters: 3},
		},
		Views: []Row{
			{Name: "product", State: "DEGRADED", PerSecond: 0.2, LagRecords: known(7), StalenessMs: known(4200), Conflicts: known(6_764)},
			{Name: "customer", State: "LIVE", StalenessMs: known(90_000_000)},
		},
		Committed: 1_234, Failed: 2,
	}
	return early, late
}

func TestBoardFitsItsTerminal(t *testing.T) {
	early, late := readings()
	var got strings.Builder
	for _, size := range [][2]int{{120, 40}, {80, 24}, {120, 6}} {
		for _, r := range []Reading{early, late} {
			b := board{width: size[0], height: size[1], took: 83 * time.Second}
			fmt.Fprintf(&got, "== %d x %d\n", b.width, b.height)
			rows := b.draw(&r)
			if len(rows) >= b.height {
				t.Errorf("%d lines on a terminal of %d", len(rows), b.height)
			}
			for _, row := range rows {
				if n := utf8.RuneCountInString(row); n > b.width {
					t.Errorf("a line of %d characters on a terminal of %d: %q", n, b.width, row)
				}
				got.WriteString(strings.TrimRight(row, " ") + "\n")
			}
		}
	}
	golden.Compare(t, "testdata/board.golden", got.String())
}

func TestColoursAreForTerminalsAlone(t *testing.T) {
	_, late := readings()
	plain, coloured := board{width: 120, height: 40}, board{paint: paint{on: true}, width: 120, height: 40}
	if text := strings.Join(plain.draw(&late), "\n"); strings.Contains(text, "\x1b") {
		t.Errorf("escapes without colours: %q", text)
	}
	if text := strings.Join(coloured.draw(&late), "\n"); !strings.Contains(text, "\x1b[31mSTALLED") {
		t.Errorf("no red for what is stalled: %q", text)
	}
}

// events are a whole run.
func events() []event {
	early, late := readings()
	begin := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	list := []event{
		{Kind: kindBegin, Text: "Starting three Postgres servers"},
		{Kind: kindDone, Text: "Postgres 18: erp on port 1", took: 555 * time.Millisecond},
		{Kind: kindFill, Filled: &filled{Database: "erp", Done: 5_000, Total: 20_000}},
		{Kind: kindFill, Filled: &filled{Database: "erp", Done: 10_000, Total: 20_000}},
		{Kind: kindFill, Filled: &filled{Database: "erp", Done: 20_000, Total: 20_000}},
		{Kind: kindFill, Filled: &filled{Database: "erp", Done: 20_000, Total: 20_000}},
		{Kind: kindStatus, Status: &early},
		{Kind: kindReady, Text: "ready gateway=http://127.0.0.1:8080", Ready: &announcement{Addrs: addresses(node.DefaultAddrs), Took: 4400 * time.Millisecond,
			Commands: []command{{"Why?", "tributary why product SKU-1"}, {"All", "curl 'x'"}}}},
		{Kind: kindStatus, Status: &late},
		{Kind: kindStatus, Status: &early},
		{Kind: kindStop, Text: "Stopping"},
		{Kind: kindEnd, Text: "Stopped", took: time.Second},
	}
	for i := range list {
		list[i].Time = begin.Add(time.Duration(i) * 1500 * time.Millisecond)
	}
	return list
}

func TestLinesTellWhatIsNew(t *testing.T) {
	var out bytes.Buffer
	l := newLines(&out)
	for _, e := range events() {
		l.tell(e)
	}
	l.close()
	golden.Compare(t, "testdata/lines.golden", out.String())
}

func TestMachinesReadALineAnEvent(t *testing.T) {
	var out bytes.Buffer
	m := newMachine(&out)
	for _, e := range events() {
		m.tell(e)
	}
	m.close()
	for i, line := range strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n") {
		var e struct{ Event, Time string }
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Event != events()[i].Kind || e.Time == "" {
			t.Errorf("line %d is %q: %v", i+1, line, err)
		}
	}
	golden.Compare(t, "testdata/machine.golden", out.String())
}

func TestRatesAreMeansOfTheLastSeconds(t *testing.T) {
	var r rate
	at := time.Unix(0, 0)
	for _, total := range []int64{1_000_000, 1_000_010, 1_000_010, 1_000_020, 1_000_020, 1_000_020} {
		r.add(total, at)
		at = at.Add(time.Second)
	}
	if r.now() != 4 {
		t.Errorf("20 in 5 s are %v a second", r.now())
	}
	r.add(5, at) // the counter began anew
	if got := r.recent[len(r.recent)-1]; got != 0 {
		t.Errorf("a counter that fell gives %v", got)
	}
}

package main

import (
	"os"
	"testing"
	"time"
)

func TestStatOfAProcessWithAnOddName(t *testing.T) {
	text := "4242 (a) (b c) S 17 4242 4242 0 -1 4194560 100 200 0 0 150 25 40 5 20 0 9 0 12345 1000000 2500 18446744073709551615\n"
	got, err := parseStat([]byte(text))
	want := procStat{parent: 17, own: 1750 * time.Millisecond, children: 450 * time.Millisecond}
	if err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for _, broken := range []string{"", "4242 (a", "4242 (a) S 17", "4242 (a) S x 4242 4242 0 -1 0 0 0 0 0 1 1 1 1 20"} {
		if _, err := parseStat([]byte(broken)); err == nil {
			t.Errorf("no error for %q", broken)
		}
	}
}

func TestMemoryOfAProcess(t *testing.T) {
	text := "Name:\ttributary\nVmPeak:\t 900000 kB\nVmHWM:\t  122880 kB\nVmRSS:\t  102400 kB\nRssAnon:\t   51200 kB\nRssFile:\t   51200 kB\n"
	got, err := parseStatus([]byte(text))
	want := memory{peak: 120 << 20, resident: 100 << 20, anonymous: 50 << 20}
	if err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if _, err := parseStatus([]byte("Name:\tzombie\nState:\tZ (zombie)\n")); err == nil {
		t.Error("no error for a process that has ended")
	}
}

func TestOwnProcessIsBelowItsParent(t *testing.T) {
	stats, err := allStats()
	if err != nil {
		t.Fatal(err)
	}
	if !below(stats, os.Getpid(), []int{os.Getppid()}) {
		t.Error("this process is not below its parent")
	}
	if below(stats, os.Getppid(), []int{os.Getpid()}) {
		t.Error("the parent is below this process")
	}
	if below(map[int]procStat{1: {parent: 2}, 2: {parent: 1}}, 1, []int{3}) {
		t.Error("a cycle leads to a process outside of it")
	}
}

func TestMachineIsReadFromProc(t *testing.T) {
	if got := cpuModel("processor\t: 0\nmodel name\t: AMD EPYC 7B13\nprocessor\t: 1\n", "?"); got != "AMD EPYC 7B13" {
		t.Errorf("the model is %q", got)
	}
	if got := cpuModel("processor: 0\n", "?"); got != "?" {
		t.Errorf("the model is %q", got)
	}
	if got := memGiB("MemTotal:       25165824 kB\nMemFree: 1 kB\n"); got != 24 {
		t.Errorf("the memory is %v GiB, want 24", got)
	}
}

func TestSamplesOfAMetricAreSummed(t *testing.T) {
	text := `# HELP tributary_records_total Records that the stage has handled.
tributary_records_total{entity="",partition="0",stage="ingest",stream="bank.account",system="bank"} 100000
tributary_records_total{entity="",partition="0",stage="ingest",stream="bank.history",system="bank"} 2.5e+04
tributary_records_total{entity="item",partition="0",stage="resolve",stream="",system=""} 7
tributary_records_total_more{stage="ingest"} 9
tributary_telemetry_flush_failures_total 0
`
	got, err := sumSamples(text, "tributary_records_total", `stage="ingest"`)
	if err != nil || got != 125_000 {
		t.Errorf("the sum is %d, %v, want 125000", got, err)
	}
	if _, err := sumSamples("m{stage=\"x\"} many\n", "m", "stage"); err == nil {
		t.Error("no error for a sample that is no number")
	}
}

func TestProfileTableIsLeftOfPprofsOutput(t *testing.T) {
	text := "File: tributary\nType: cpu\nDuration: 2s, Total samples = 1s\nShowing nodes accounting for 1s\n      flat  flat%\n     1s  100%  main.main\n"
	want := "Duration: 2s, Total samples = 1s\nShowing nodes accounting for 1s\n      flat  flat%\n     1s  100%  main.main\n"
	if got := topLines(text); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := fileName("P7 20 products × (3 variants + 2 prices)"); got != "P7-20-products-3-variants-2-prices" {
		t.Errorf("the file's name is %q", got)
	}
}

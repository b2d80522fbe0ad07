package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	clickhouse "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/rs/zerolog"

	"tributary/internal/poll"
)

func count(t *testing.T, p *Process) (n uint64) {
	t.Helper()
	if err := dial(t, p, clickhouse.CompressionLZ4).QueryRow(t.Context(), "SELECT count() FROM t").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestWhatWasAnsweredSurvivesKill(t *testing.T) {
	dir := t.TempDir()
	p := startEngine(t, dir)
	conn := dial(t, p, clickhouse.CompressionLZ4)
	if err := conn.Exec(t.Context(), "CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a"); err != nil {
		t.Fatal(err)
	}
	answered := uint64(0)
	for range 20 {
		if err := conn.Exec(t.Context(), "INSERT INTO t SELECT number FROM numbers(100)"); err != nil {
			t.Fatal(err)
		}
		answered += 100
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("a killed engine ends with %v", err)
	}
	p = startEngine(t, dir)
	if n := count(t, p); n != answered {
		t.Errorf("%d rows after the kill, %d were answered", n, answered)
	}
	if err := syscall.Kill(p.Pid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
}

func TestSuperviseStartsADeadEngineAgainAtTheSameAddress(t *testing.T) {
	lib, err := Fetch(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	started, ended := make(chan *Process), make(chan error, 1)
	cfg := Config{LibPath: lib, Dir: filepath.Join(t.TempDir(), "engine"), Log: zerolog.Nop()}
	go func() { ended <- Supervise(ctx, cfg, func(p *Process) { started <- p }) }()
	first := <-started
	if err := first.Kill(); err != nil {
		t.Fatal(err)
	}
	second := <-started
	if first.Addr() != second.Addr() || first.Pid() == second.Pid() {
		t.Errorf("first %s (%d), second %s (%d)", first.Addr(), first.Pid(), second.Addr(), second.Pid())
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Supervise ended with %v", err)
	}
	if err := second.Wait(); err != nil {
		t.Errorf("the last engine ended with %v", err)
	}
}

// parentVariable makes the test binary the parent of an engine, in the folder that it holds.
const parentVariable = "TRIBUTARY_TEST_ENGINE_PARENT"

// TestParentOfAnEngine is the program of the next test, not a test by itself.
func TestParentOfAnEngine(t *testing.T) {
	dir := os.Getenv(parentVariable)
	if dir == "" {
		return
	}
	p := startEngine(t, dir)
	fmt.Fprintln(os.Stderr, "engine", p.Pid())
	p.Wait()
}

func TestEngineEndsWithAKilledParent(t *testing.T) {
	parent := exec.Command(os.Args[0], "-test.run=^TestParentOfAnEngine$")
	parent.Env = append(os.Environ(), parentVariable+"="+t.TempDir())
	out, err := parent.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscanf(out, "engine %d", &pid); err != nil {
		t.Fatalf("the parent's engine did not start: %v", err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := parent.Wait(); err == nil {
		t.Error("the parent was not killed")
	}
	poll.Within(t, 15*time.Second, fmt.Sprintf("the end of engine %d without its parent", pid), func() bool { return !alive(pid) })
}

// alive says whether a process runs; a zombie, which waits for init, does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}

func TestStartSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	broken := filepath.Join(dir, "lib.so")
	if err := os.WriteFile(broken, []byte("no library"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Config{LibPath: broken, Dir: filepath.Join(dir, "d")})
	if !errors.Is(err, ErrNotReady) || !strings.Contains(err.Error(), "load the ClickHouse engine") {
		t.Errorf("a broken library: %v", err)
	}
	_, err = Start(t.Context(), Config{Addr: "0.0.0.0:8123", Memory: 1})
	for _, want := range []string{"LibPath", "Dir", "loopback", "256 MiB"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
	p := startEngine(t, dir)
	_, err = Start(t.Context(), Config{LibPath: p.lib(t), Dir: filepath.Join(dir, "engine"), StartTimeout: time.Second})
	if !errors.Is(err, ErrNotReady) {
		t.Errorf("a folder that has an engine: %v", err)
	}
	_, err = Start(t.Context(), Config{LibPath: p.lib(t), Dir: filepath.Join(dir, "other"), Addr: p.Addr()})
	if !errors.Is(err, ErrNotReady) || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("a taken port: %v", err)
	}
}

func (p *Process) lib(t *testing.T) string {
	t.Helper()
	lib, err := Fetch(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return lib
}

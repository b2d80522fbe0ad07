package child_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tributary/internal/child"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs a shell script and waits for its first line.
func start(t *testing.T, script string) *child.Process {
	t.Helper()
	cmd := exec.Command("sh", "-c", script)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p, err := child.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("the script's first line: %v", err)
	}
	return p
}

func TestStopLetsItEnd(t *testing.T) {
	p := start(t, `trap 'exit 0' TERM; echo up; while :; do read -t 1 x </dev/null || true; done 2>/dev/null`)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := p.Stop(ctx, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Err(); err != nil {
		t.Errorf("it ended with %v, want exit code 0", err)
	}
}

func TestStopKillsTheDeaf(t *testing.T) {
	p := start(t, `trap '' TERM; echo up; while :; do :; done`)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := p.Stop(ctx, syscall.SIGTERM); err == nil {
		t.Error("a child that had to be killed was reported as stopped")
	}
	<-p.Exited()
}

func TestKillTakesTheGroup(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	cmd := exec.Command("sh", "-c", `sleep 1000 & echo up; wait`)
	cmd.Stdout = writer
	p, err := child.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	writer.Close()
	lines := bufio.NewReader(reader)
	if _, err := lines.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	p.Kill()
	// The pipe ends only when the grandchild, which holds it too, is gone.
	if err := reader.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := lines.ReadString('\n'); !errors.Is(err, io.EOF) {
		t.Errorf("reading on: %v, want EOF: the grandchild lives", err)
	}
	p.Kill() // a second one is harmless
}

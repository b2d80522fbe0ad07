package demo_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tributary/examples/acme"
	"tributary/examples/acme/oracle"
	"tributary/internal/crash"
	"tributary/internal/poll"
	"tributary/serve/rest"
)

var builder crash.Builder

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "tributary-demo-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	builder.Dir = dir
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// limit bounds one test; the servers are fetched by then (make setup).
const limit = 4 * time.Minute

// TestDemo runs the built binary as a newcomer does: the mesh becomes ready, all that it prints
// can be pasted, it stops when told to, and a second run goes on without reading anything anew.
func TestDemo(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	binary, dir := build(ctx, t), t.TempDir()
	folder, log := filepath.Join(dir, "demo"), filepath.Join(dir, "log")

	first := start(t, binary, folder, log)
	addrs := ready(ctx, t, first)
	var commands map[string]string
	poll.Until(ctx, t, "four commands to paste", func() (string, bool) { // they follow the ready line
		commands = printed(t, log)
		return read(t, log), len(commands) == 4
	})
	for _, check := range []struct{ want, where string }{
		{`"price":`, "GraphQL"}, {"Tributary-Staleness: ", "REST"}, {"rule  priority", "why"}, {"median_delay_ms", "ClickHouse"},
	} {
		try(ctx, t, commands, check.where, check.want)
	}
	epochs := snapshots(ctx, t, addrs["gateway"])
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}

	second := start(t, binary, folder, filepath.Join(dir, "log2"), "--no-changes")
	addrs = ready(ctx, t, second)
	for stream, epoch := range snapshots(ctx, t, addrs["gateway"]) {
		if epoch != epochs[stream] {
			t.Errorf("%s is of epoch %d after the second start, was %d", stream, epoch, epochs[stream])
		}
	}
	if text := read(t, filepath.Join(dir, "log2")); strings.Contains(text, "snapshot complete") {
		t.Errorf("the second run read the databases anew:\n%s", text)
	}
	equal(ctx, t, addrs["gateway"], databases(t, folder))
	if err := second.Stop(); err != nil {
		t.Fatal(err)
	}
}

// TestDemoSaysWhatIsInTheWay holds the errors that a newcomer may meet.
func TestDemoSaysWhatIsInTheWay(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	binary := build(ctx, t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "thesis.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{append(arguments(t.TempDir()), "--gateway-addr", taken.Addr().String()), "choose another address with --gateway-addr"},
		{arguments(foreign), "name an empty folder with --data"},
		{append(arguments(t.TempDir()), "--products", "-3"), "--products -3: ask for 1 to"},
		{append(arguments(t.TempDir()), "now"), "unknown command"},
	} {
		var stderr bytes.Buffer
		cmd := exec.CommandContext(ctx, binary, c.args...)
		cmd.Stderr = &stderr
		if err := cmd.Run(); err == nil || !strings.Contains(stderr.String(), c.want) {
			t.Errorf("%v ends with %v and says %q, want %q", c.args, err, stderr.String(), c.want)
		}
	}
}

func build(ctx context.Context, t *testing.T) string {
	t.Helper()
	binary, err := builder.Binary(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// arguments are a small demo's on ports that are free.
func arguments(folder string) []string {
	args := []string{"demo", "--products", "200", "--data", folder}
	for _, name := range []string{"gateway", "registry", "admin", "kafka", "clickhouse"} {
		args = append(args, "--"+name+"-addr", "127.0.0.1:0")
	}
	return args
}

func start(t *testing.T, binary, folder, log string, more ...string) *crash.Node {
	t.Helper()
	node, err := crash.NewNode(crash.Config{Binary: binary, Args: append(arguments(folder), more...), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := node.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	return node
}

func ready(ctx context.Context, t *testing.T, node *crash.Node) crash.Addresses {
	t.Helper()
	begin := time.Now()
	addrs, err := node.Ready(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("ready after %s", time.Since(begin).Round(100*time.Millisecond))
	return addrs
}

// printed gives the commands that the demo prints, by their titles.
func printed(t *testing.T, log string) map[string]string {
	t.Helper()
	_, text, _ := strings.Cut(read(t, log), "In another terminal:\n\n")
	commands := map[string]string{}
	for _, block := range strings.Split(text, "\n\n") {
		if title, shell, whole := strings.Cut(block, "\n"); whole && strings.HasPrefix(title, "# ") {
			commands[title] = shell
		}
	}
	return commands
}

// try pastes a command into a shell until its answer holds what is wanted; the changes that
// analytics counts take a moment to arrive.
func try(ctx context.Context, t *testing.T, commands map[string]string, title, want string) {
	t.Helper()
	for name, shell := range commands {
		if !strings.Contains(name, title) {
			continue
		}
		poll.Until(ctx, t, fmt.Sprintf("an answer with %q to\n%s", want, shell), func() (string, bool) {
			answer, err := exec.CommandContext(ctx, "bash", "-c", shell).CombinedOutput()
			return string(answer), err == nil && strings.Contains(string(answer), want)
		})
		return
	}
	if title == "why" {
		try(ctx, t, commands, "Why this value", want)
		return
	}
	t.Errorf("no command is printed for %s", title)
}

// snapshots gives the epoch of each stream, whose snapshot must be through.
func snapshots(ctx context.Context, t *testing.T, gateway string) map[string]uint32 {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, gateway+"/v1/_status", nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{}
	defer client.CloseIdleConnections()
	answer, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var status rest.Status
	if err := json.NewDecoder(answer.Body).Decode(&status); err != nil {
		t.Fatal(err)
	}
	epochs := map[string]uint32{}
	for _, s := range status.Streams {
		if s.Snapshot == nil || s.Snapshot.State != "done" {
			t.Errorf("the snapshot of %s is not through: %+v", s.Name, s.Snapshot)
			continue
		}
		epochs[s.Name] = s.Snapshot.Epoch
	}
	return epochs
}

// equal waits until every view equals what SQL says over the databases, which are at rest.
func equal(ctx context.Context, t *testing.T, gateway string, db acme.Databases) {
	t.Helper()
	client := &http.Client{}
	defer client.CloseIdleConnections()
	poll.Until(ctx, t, "views that equal the databases", func() (string, bool) {
		differences, err := oracle.Compare(ctx, client, gateway, db)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(differences[:min(10, len(differences))], "\n"), len(differences) == 0
	})
}

// databases reads the env file that the demo writes for whoever wants to look into them.
func databases(t *testing.T, folder string) acme.Databases {
	t.Helper()
	url := map[string]string{}
	for _, line := range strings.Split(read(t, filepath.Join(folder, "env")), "\n") {
		if name, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "="); ok {
			url[name] = strings.Trim(value, "'")
		}
	}
	return acme.Databases{ERP: url["ERP_DATABASE_URL"], PIM: url["PIM_DATABASE_URL"], WMS: url["WMS_DATABASE_URL"]}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

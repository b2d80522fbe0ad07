package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/deploy/postgres/pgtest"
	"tributary/internal/crash"
	"tributary/internal/poll"
)

// onSmallDisk runs a command whose folder FULL is a small file system of its own; what that held
// in the end is copied to KEEP.
const onSmallDisk = `mount -t tmpfs -o size="$SIZE" tmpfs "$FULL" || exit 97
"$@"
code=$?
cp -a "$FULL/." "$KEEP" && exit $code
exit 98`

// TestFullDisk fills the disk below each store in turn while rows stream in. The process ends with
// one sentence that says which folder and what to do, and the next one, with more space, loses
// nothing: what was confirmed to the source is there (I1).
func TestFullDisk(t *testing.T) {
	for _, c := range []struct{ part, size string }{{"kafka", "6m"}, {"views", "3m"}, {"state", "300k"}} {
		t.Run(c.part, func(t *testing.T) {
			t.Parallel()
			f := newFull(t, c.part, c.size)
			stop := f.fill()
			f.ends(c.part)
			stop()
			f.resumes()
		})
	}
}

// A full is a mesh that runs out of disk.
type full struct {
	t                   *testing.T
	url, dir, manifest  string
	part, keep, gateway string
	args                []string
	cmd                 *exec.Cmd
	errs                bytes.Buffer
	ended               chan error
}

func newFull(t *testing.T, part, size string) *full {
	t.Helper()
	f := &full{t: t, url: pgtest.Database(t, pg.Server(t)), dir: t.TempDir(), ended: make(chan error, 1)}
	execSQL(t, f.url, `CREATE TABLE item (id int PRIMARY KEY, sku text, state text, price numeric(12,2), note text)`)
	f.manifest = writeFile(t, filepath.Join(f.dir, "mesh.yaml"), strings.NewReplacer(
		"  price: {", "  note:  { type: string }\n  price: {", "set: { state", "set: { note: row.note, state").Replace(shopManifest))
	f.part, f.keep = filepath.Join(f.dir, "data", part), filepath.Join(f.dir, "keep")
	for _, dir := range []string{f.part, f.keep} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	binary, err := builder.Binary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f.args = append([]string{"up", "-f", f.manifest, "--data", filepath.Join(f.dir, "data")}, freePorts...)
	f.cmd = exec.Command("sh", append([]string{"-c", onSmallDisk, "sh", binary}, f.args...)...)
	f.cmd.Env = append(os.Environ(), "SHOP_URL="+f.url, "SIZE="+size, "FULL="+f.part, "KEEP="+f.keep)
	f.cmd.Stderr = &f.errs
	f.cmd.SysProcAttr = apart()
	if err := f.cmd.Start(); err != nil {
		t.Fatalf("%v%s", err, mendMount)
	}
	go func() { f.ended <- f.cmd.Wait() }()
	t.Cleanup(func() { _ = syscall.Kill(-f.cmd.Process.Pid, syscall.SIGKILL) }) // it has ended, as a rule
	return f
}

const mendMount = "\nThis test mounts a small file system in a namespace of its own: run it as root, or allow unprivileged user namespaces (sysctl -w kernel.unprivileged_userns_clone=1; kernel.apparmor_restrict_unprivileged_userns=0)"

// apart gives a process a mount namespace and a process group of its own.
func apart() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true, Unshareflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		a.Cloneflags = syscall.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	return a
}

// fill inserts rows that do not compress, in transactions of 100, until it is told to stop or has
// written 8 MB; it returns once the mesh has answered for one.
func (f *full) fill() (stop func()) {
	f.t.Helper()
	ctx, cancel := context.WithCancel(f.t.Context())
	conn, err := pgx.Connect(ctx, f.url)
	if err != nil {
		f.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		defer conn.Close(context.WithoutCancel(ctx))
		for i := range 80 {
			_, err := conn.Exec(ctx, `INSERT INTO item SELECT n, 'SKU-' || n, 'on', n,
				(SELECT string_agg(md5(n::text || '/' || m), '') FROM generate_series(1, 30) m)
				FROM generate_series($1::int, $1::int + 99) n`, i*100)
			if err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	poll.Within(f.t, time.Minute, "a captured row", func() bool {
		var captured bool
		err := f.query(`SELECT EXISTS (SELECT FROM pg_replication_slots WHERE confirmed_flush_lsn > restart_lsn)`, &captured)
		return err == nil && captured || len(f.ended) > 0
	})
	return func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			f.t.Error(err)
		}
	}
}

func (f *full) query(sql string, into any) error {
	conn, err := pgx.Connect(f.t.Context(), f.url)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(f.t.Context()))
	return conn.QueryRow(f.t.Context(), sql).Scan(into)
}

// ends waits for the end of the process and looks at its last words.
func (f *full) ends(part string) {
	f.t.Helper()
	var err error
	select {
	case err = <-f.ended:
	case <-time.After(30 * time.Second):
		f.t.Fatal("a full disk does not end the process")
	}
	text := f.errs.String()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 97 {
		f.t.Fatalf("%s%s", text, mendMount)
	}
	if !errors.As(err, &exit) || exit.ExitCode() != exitFailed {
		f.t.Errorf("%v, want exit code 1", err)
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	last := lines[len(lines)-1]
	for _, says := range []string{"tributary: the disk of the data folder " + filepath.Join(f.dir, "data") + " is full", f.part, "no space left on device", "free some space"} {
		if !strings.Contains(last, says) {
			f.t.Errorf("%s: its last words lack %q:\n%s", part, says, last)
		}
	}
	if len(lines) > 20 {
		f.t.Errorf("it says it in %d lines", len(lines))
	}
	spotless(f.t, text)
}

// resumes starts the mesh over what was kept, on a larger disk, and holds the view against the
// database.
func (f *full) resumes() {
	f.t.Helper()
	if err := errors.Join(os.RemoveAll(f.part), os.Rename(f.keep, f.part)); err != nil {
		f.t.Fatal(err)
	}
	binary, err := builder.Binary(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	log := filepath.Join(f.dir, "log")
	n, err := crash.NewNode(crash.Config{Binary: binary, Args: f.args, Env: []string{"SHOP_URL=" + f.url}, Dir: f.dir, Log: log})
	if err != nil {
		f.t.Fatal(err)
	}
	defer n.Close()
	if err := n.Start(); err != nil {
		f.t.Fatal(err)
	}
	ready, cancel := context.WithTimeout(f.t.Context(), time.Minute)
	defer cancel()
	addresses, err := n.Ready(ready)
	if err != nil {
		f.t.Fatal(err)
	}
	f.gateway = addresses["gateway"]
	var want string
	if err := f.query(`SELECT count(*) || ' ' || coalesce(sum(price), 0)::int8 FROM item`, &want); err != nil {
		f.t.Fatal(err)
	}
	poll.Until(ready, f.t, "the view to equal the database's "+want, func() (string, bool) {
		got, err := f.sum()
		return fmt.Sprint(got, err), got == want
	})
	if err := n.Stop(); err != nil {
		f.t.Error(err)
	}
}

// sum gives the number of products that the gateway answers, and the sum of their prices.
func (f *full) sum() (string, error) {
	count, total := 0, 0.0
	for next := ""; ; {
		resp, err := http.Get(f.gateway + "/v1/products?first=1000&fields=price&after=" + next)
		if err != nil {
			return "", err
		}
		var page struct {
			Items []struct {
				Price json.Number `json:"price"`
			} `json:"items"`
			Next *string `json:"next"`
		}
		err = errors.Join(json.NewDecoder(resp.Body).Decode(&page), resp.Body.Close())
		if err != nil {
			return "", err
		}
		for _, item := range page.Items {
			price, err := item.Price.Float64()
			if err != nil {
				return "", err
			}
			count, total = count+1, total+price
		}
		if page.Next == nil {
			return fmt.Sprintf("%d %.0f", count, total), nil
		}
		next = *page.Next
	}
}

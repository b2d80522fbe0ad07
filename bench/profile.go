package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	// slice is how long one CPU profile takes. The end of what is profiled is not known when it
	// begins, so there are many short ones, which pprof adds up.
	slice  = 2 * time.Second
	topMax = 10
)

// A profiler collects CPU profiles of a process from its admin port.
type profiler struct {
	rig     *rig
	process *process
	name    string
	files   []string // written by the collector until it is done
	ending  chan struct{}
	done    sync.WaitGroup
}

// profileIf begins to profile where that is asked for; report ends it. The profiler of what is
// not profiled is nil.
func (r *rig) profileIf(ctx context.Context, profiled bool, p *process, name string) *profiler {
	if !profiled {
		return nil
	}
	pr := &profiler{rig: r, process: p, name: fileName(name), ending: make(chan struct{})}
	pr.done.Go(func() { pr.collect(ctx) })
	return pr
}

// fileName leaves letters and digits of a name.
func fileName(name string) string {
	return strings.Join(strings.FieldsFunc(name, func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
	}), "-")
}

func (pr *profiler) collect(ctx context.Context) {
	for {
		select {
		case <-pr.ending:
			return
		case <-ctx.Done():
			return
		default:
		}
		file, err := pr.fetch(ctx, fmt.Sprintf("cpu.%d", len(pr.files)), fmt.Sprintf("profile?seconds=%d", int(slice.Seconds())))
		if err != nil { // the admin port is not open yet, or the process has ended
			select {
			case <-pr.ending:
				return
			case <-time.After(pollEvery):
			}
			continue
		}
		pr.files = append(pr.files, file)
	}
}

// fetch stores a profile and gives its file.
func (pr *profiler) fetch(ctx context.Context, kind, path string) (string, error) {
	text, err := get(ctx, pr.process.admin+"/debug/pprof/"+path)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(pr.rig.kept, "profiles")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	file := filepath.Join(dir, pr.name+"-"+kind+".pb.gz")
	return file, os.WriteFile(file, text, 0o644)
}

// report ends the profile, which takes up to two seconds, and adds to the board the ten hottest
// functions and the ten that hold most memory. The process must still run.
func (pr *profiler) report(ctx context.Context, b *board, title string) error {
	if pr == nil {
		return nil
	}
	close(pr.ending)
	pr.done.Wait()
	heap, err := pr.fetch(ctx, "heap", "heap")
	if err != nil {
		return err
	}
	text := title + "\n"
	for _, part := range []struct {
		index string
		files []string
	}{{"cpu", pr.files}, {"inuse_space", []string{heap}}} {
		if len(part.files) == 0 {
			continue // it was over before its admin port was open
		}
		lines, err := top(ctx, part.index, part.files...)
		if err != nil {
			return err
		}
		text += lines
	}
	b.hot = append(b.hot, text)
	return nil
}

// top gives the hottest functions of profiles together.
func top(ctx context.Context, index string, files ...string) (string, error) {
	args := append([]string{"tool", "pprof", "-top", fmt.Sprintf("-nodecount=%d", topMax), "-sample_index=" + index}, files...)
	out, err := exec.CommandContext(ctx, "go", args...).Output()
	if err != nil {
		return "", fmt.Errorf("read profiles by go tool pprof: %w", err)
	}
	return fmt.Sprintf("%s (%s)\n%s", index, filepath.Base(files[0]), topLines(string(out))), nil
}

// topLines leaves pprof's table of its output.
func topLines(text string) string {
	var out strings.Builder
	begun := false
	for line := range strings.Lines(text) {
		begun = begun || strings.HasPrefix(strings.TrimSpace(line), "flat")
		if begun || strings.HasPrefix(line, "Duration:") || strings.HasPrefix(line, "Showing") {
			out.WriteString(line)
		}
	}
	return out.String()
}

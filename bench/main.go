// Command bench measures the whole way of the data and its stages, with the real binary, real
// Postgres servers and, where said, a real Kafka: what a user would get, in processes of their
// own whose processor time and memory are read from /proc. Nothing here is a test: no time is
// asserted, but contents are, and a run with wrong contents gives no figure.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
		os.Exit(1)
	}
}

// run carries out a command line. Two first words are for processes that benches start.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case bareWord:
			return serveBare(ctx, stdout)
		case loadWord:
			return generateLoad(ctx, args[1:], stdout)
		}
	}
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	return o.measure(ctx, stdout, stderr)
}

// options are the flags.
type options struct {
	only                        string
	runs                        int
	small, full, profile, write bool
	json                        string
	command                     string
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	o := options{command: strings.Join(append([]string{"go run ./bench"}, args...), " ")}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.only, "only", "", "benches to run, as p6a,p8 (default all)")
	f.IntVar(&o.runs, "runs", 3, "measured runs of each")
	f.BoolVar(&o.small, "small", false, "small sizes: shows that a bench works, its figures mean little")
	f.BoolVar(&o.full, "full", false, "also what takes long: the cost of an update at ten million entities (p5)")
	f.BoolVar(&o.profile, "profile", false, "one more run of each with CPU and heap profiles, and their ten hottest functions")
	f.BoolVar(&o.write, "write", false, "put the figures into bench/README.md and bench/results.json")
	f.StringVar(&o.json, "json", "", "file to write this run's figures to")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q; name benches with -only", f.Arg(0))
	}
	if o.runs < 1 {
		return o, errors.New("-runs must be 1 or more")
	}
	_, err := chosen(o.only)
	return o, err
}

// measure runs the chosen benches. One that fails does not keep the others from running.
func (o options) measure(ctx context.Context, stdout, stderr io.Writer) (err error) {
	list, err := chosen(o.only)
	if err != nil {
		return err
	}
	r, err := newRig(ctx, stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	r.runs, r.small, r.full, r.profile = o.runs, o.small, o.full, o.profile
	var results []result
	var faults []error
	for _, what := range list {
		b := &board{bench: what.id}
		res := result{Bench: what.id, Date: time.Now().UTC().Format("2006-01-02 15:04 UTC"), Commit: commit(ctx, r.root),
			Command: o.command, Machine: thisMachine(), Load: [2]float64{load()}}
		if err := what.run(ctx, r, b); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", what.id, err))
			if ctx.Err() != nil {
				break
			}
			continue
		}
		res.Size, res.Figures, res.Load[1] = b.size, b.figures, load()
		results = append(results, res)
		fmt.Fprintf(stdout, "%s%s", markdown([]result{res}), fenced(b.hot))
	}
	return errors.Join(append(faults, o.keep(r, results))...)
}

// keep writes the figures where they were asked for.
func (o options) keep(r *rig, results []result) error {
	var faults []error
	if o.json != "" {
		faults = append(faults, writeResults(o.json, results))
	}
	if o.write && len(results) > 0 {
		dir := filepath.Join(r.root, "bench")
		faults = append(faults, publish(filepath.Join(dir, "results.json"), filepath.Join(dir, "README.md"), results))
	}
	return errors.Join(faults...)
}

// fenced shows profiles as they are.
func fenced(texts []string) string {
	var out strings.Builder
	for _, text := range texts {
		fmt.Fprintf(&out, "```\n%s```\n\n", text)
	}
	return out.String()
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tributary/node"
	"tributary/serve/rest"
)

func (c *cli) status() *cobra.Command {
	var g gateway
	var watch bool
	cmd := &cobra.Command{
		Use:   "status [NAME…]",
		Short: "Tell what streams and views are doing",
		Long: `Tell, on one screen, how each stream and each view of a running mesh fares: its state, how far it
is verified, its lag, its snapshot, rows, conflicts and dead letters. NAMEs of streams and
entities limit what is told. What is not known is shown as "-", never as 0.

It asks the gateway: the one of the mesh that runs over --data, else at the manifest's address,
else at ` + node.DefaultAddrs.Gateway + `; --gateway-addr names another.

Columns of streams: LAG is what normalize has not read yet, in records, and how far capture is
behind the source in time. Of views: LAG is what resolve and the view's store have not read yet,
and how far the view is behind what has been captured.`,
		Example: `  tributary status
  tributary status --watch
  tributary status product erp.material
  tributary status -o json | jq -r '.views[] | select(.state != "LIVE") | .name'`,
		ValidArgsFunction: c.completeNames,
		RunE: func(cmd *cobra.Command, names []string) error {
			base, err := g.url(c)
			if err != nil {
				return err
			}
			if watch {
				return c.watchStatus(cmd.Context(), &g, base, names)
			}
			st, err := c.askStatus(cmd.Context(), &g, base, names)
			if err != nil {
				return err
			}
			if c.json() {
				return c.printJSON(st)
			}
			c.printStatus(c.stdout, st)
			return nil
		},
	}
	g.flag(cmd)
	cmd.Flags().BoolVar(&watch, "watch", false, "tell again each second until Ctrl-C")
	return cmd
}

// askStatus asks for the status and leaves what has one of the names, if there are any.
func (c *cli) askStatus(ctx context.Context, g *gateway, base string, names []string) (*rest.Status, error) {
	var st rest.Status
	if err := g.ask(ctx, base, "/v1/_status", &st); err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return &st, nil
	}
	var known []string
	for _, s := range st.Streams {
		known = append(known, s.Name)
	}
	for _, v := range st.Views {
		known = append(known, v.Name)
	}
	for _, n := range names {
		if !slices.Contains(known, n) {
			return nil, fmt.Errorf("there is no stream or view %q: there are %s", n, strings.Join(known, ", "))
		}
	}
	st.Streams = slices.DeleteFunc(st.Streams, func(s rest.StreamStatus) bool { return !slices.Contains(names, s.Name) })
	st.Views = slices.DeleteFunc(st.Views, func(v rest.ViewStatus) bool { return !slices.Contains(names, v.Name) })
	return &st, nil
}

// watchStatus tells the status each second, on a terminal in place of what it told before.
func (c *cli) watchStatus(ctx context.Context, g *gateway, base string, names []string) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		var screen strings.Builder
		st, err := c.askStatus(ctx, g, base, names)
		var silent *silentError
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &silent):
			fmt.Fprintln(&screen, err) // it may come back
		case err != nil:
			return err
		case c.json():
			if err := c.printJSON(st); err != nil {
				return err
			}
		default:
			c.printStatus(&screen, st)
		}
		if paintFor(c.stdout).on {
			fmt.Fprint(c.stdout, "\x1b[H\x1b[2J")
		}
		fmt.Fprint(c.stdout, screen.String())
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (c *cli) printStatus(w io.Writer, st *rest.Status) {
	p := paintFor(c.stdout)
	fmt.Fprintf(w, "mesh %s\n\n", p.bold(st.Mesh))
	if len(st.Streams) > 0 {
		t := table{head: []string{"STREAM", "STATE", "VERIFIED", "LAG", "BEHIND", "SNAPSHOT", "CAPTURED", "DEAD", "POSITION"},
			right: map[int]bool{2: true, 3: true, 4: true, 6: true, 7: true}, style: map[int]func(string) string{1: p.state, 7: p.badUnlessZero}}
		for i := range st.Streams {
			s := &st.Streams[i]
			position := none
			if s.Position != nil {
				position = *s.Position
			}
			t.add(s.Name, s.State, ago(s.StalenessMs), number(s.Lag.Records), millis(s.Lag.Ms), snapshotText(s.Snapshot), number(s.Captured), grouped(s.DeadLetters), position)
		}
		t.write(w, p)
		fmt.Fprintln(w)
	}
	if len(st.Views) > 0 {
		t := table{head: []string{"VIEW", "STATE", "VERIFIED", "LAG", "BEHIND", "ROWS", "INCOMPLETE", "CONFLICTS", "DEAD"},
			right: map[int]bool{2: true, 3: true, 4: true, 5: true, 6: true, 7: true, 8: true}, style: map[int]func(string) string{1: p.state, 8: p.badUnlessZero}}
		for i := range st.Views {
			v := &st.Views[i]
			t.add(v.Name, v.State, ago(v.StalenessMs), number(v.Lag.Records), millis(v.Lag.Ms), number(v.Rows), number(v.Incomplete), number(v.Conflicts), grouped(v.DeadLetters))
		}
		t.write(w, p)
		fmt.Fprintln(w)
	}
	for _, note := range notes(p, st) {
		fmt.Fprintln(w, note)
	}
}

// notes say what needs attention, and what to do.
func notes(p paint, st *rest.Status) []string {
	var out []string
	for _, s := range st.Streams {
		if s.DownSince == nil {
			continue
		}
		reason := "run tributary doctor"
		if s.Reason != nil {
			reason = *s.Reason
		}
		system, _, _ := strings.Cut(s.Name, ".") // a stream's name is SYSTEM.STREAM
		note := p.bad("capture of "+system+" is interrupted") + " since " + moment(*s.DownSince) + ":\n  " + strings.ReplaceAll(reason, "\n", "\n  ")
		if !slices.Contains(out, note) { // a connection is interrupted for all of its streams at once
			out = append(out, note)
		}
	}
	if b := st.Broker; b != nil && b.Records >= b.Limit/10*8 {
		out = append(out, p.warn(fmt.Sprintf("the embedded broker holds %s records of at most %s", grouped(b.Records), grouped(b.Limit)))+
			": run tributary topics compact, or move to a Kafka of your own (kafka.bootstrap)")
	}
	return out
}

// badUnlessZero colours a count that should be 0.
func (p paint) badUnlessZero(text string) string {
	if strings.TrimSpace(text) == "0" || strings.TrimSpace(text) == none {
		return text
	}
	return p.bad(text)
}

func ago(ms *int64) string {
	if ms == nil {
		return none
	}
	return millis(ms) + " ago"
}

// snapshotText tells a snapshot's progress.
func snapshotText(s *rest.Snapshot) string {
	switch {
	case s == nil:
		return none
	case s.State == "done":
		return "done, " + grouped(s.Rows) + " rows"
	case s.Estimate == nil || *s.Estimate == 0:
		return "running, " + grouped(s.Rows) + " rows"
	}
	return fmt.Sprintf("%d%% of about %s rows", min(99, s.Rows*100 / *s.Estimate), grouped(*s.Estimate))
}

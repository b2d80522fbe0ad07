package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"tributary/ingest"
	"tributary/mesh"
	"tributary/node"
	"tributary/topics"
)

func (c *cli) snapshot() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "snapshot",
		Short: "Read streams anew from their sources, and tell how far that is",
		Long: `Read streams anew from their sources. A snapshot of a stream reads its whole table while the
connection's change stream waits; when it is complete, rows that it did not find are deleted
from the views. It heals whatever was missed, and the other streams keep their data.`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.snapshotStart(), c.snapshotStatus(), c.snapshotCancel())
	return cmd
}

func (c *cli) snapshotStart() *cobra.Command {
	return &cobra.Command{
		Use:   "start STREAM",
		Short: "Read a stream anew, and wait until it is done",
		Long: `Read a stream anew, and wait until it is done. Ctrl-C ends the waiting, not the snapshot: see
tributary snapshot status and tributary snapshot cancel.`,
		Example:           "  tributary snapshot start erp.material",
		Args:              arguments(cobra.ExactArgs(1)),
		ValidArgsFunction: c.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.askSnapshot(cmd, topics.SnapshotStart, args[0])
		},
	}
}

func (c *cli) snapshotCancel() *cobra.Command {
	return &cobra.Command{
		Use:               "cancel STREAM",
		Short:             "End a repeated snapshot; nothing is deleted",
		Example:           "  tributary snapshot cancel erp.material",
		Args:              arguments(cobra.ExactArgs(1)),
		ValidArgsFunction: c.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.askSnapshot(cmd, topics.SnapshotCancel, args[0])
		},
	}
}

func (c *cli) askSnapshot(cmd *cobra.Command, kind topics.RequestKind, stream string) error {
	m, err := c.loadUnresolved()
	if err != nil {
		return err
	}
	if !hasStream(m, stream) {
		return usage("the manifest has no stream %s", stream)
	}
	op, err := c.operator()
	if err != nil {
		return err
	}
	defer op.Close()
	r, err := op.Ask(cmd.Context(), kind, stream, nil, c.showProgress)
	if errors.Is(err, topics.ErrNotTaken) {
		return fmt.Errorf("%w; where its system is down, tributary status %s says why", err, stream)
	}
	if err != nil {
		return err
	}
	if c.json() {
		if err := c.printJSON(node.StatusOf(&r)); err != nil {
			return err
		}
		return ended(r)
	}
	if err := ended(r); err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "%s: %s\n", stream, r.Outcome)
	return nil
}

func hasStream(m *mesh.Mesh, id string) bool {
	return slices.ContainsFunc(m.Systems, func(sys *mesh.System) bool {
		return slices.ContainsFunc(sys.Streams, func(s *mesh.Stream) bool { return s.ID() == id })
	})
}

// showProgress tells on stderr how far a snapshot is.
func (c *cli) showProgress(r topics.Request) {
	var p ingest.SnapshotProgress
	if r.State != topics.RequestRunning || json.Unmarshal(r.Progress, &p) != nil || c.json() {
		return
	}
	fmt.Fprintln(c.stderr, r.Subject+": "+rowsOf(p.Rows, p.Of))
}

// rowsOf shows rows read, and how many of the source's estimate that is.
func rowsOf(rows, of int64) string {
	text := grouped(rows) + " rows"
	if of > 0 {
		text += fmt.Sprintf(" of about %s (%d%%)", grouped(of), min(100, rows*100/of))
	}
	return text
}

func (c *cli) snapshotStatus() *cobra.Command {
	return &cobra.Command{
		Use:     "status",
		Short:   "Tell how the snapshots of all streams stand",
		Example: "  tributary snapshot status\n  tributary snapshot status -o json | jq '.[] | select(.state != \"done\")'",
		Args:    arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			op, err := c.operator()
			if err != nil {
				return err
			}
			defer op.Close()
			all, err := op.Snapshots(cmd.Context())
			if err != nil {
				return err
			}
			if c.json() {
				return c.printJSON(all)
			}
			t := &table{head: []string{"STREAM", "EPOCH", "SNAPSHOT", "ROWS", "LAST REQUEST"}, right: map[int]bool{1: true}}
			for _, s := range all {
				t.add(s.Stream, fmt.Sprint(s.Epoch), snapshotState(s.State), snapshotRows(&s), lastRequest(s.Request))
			}
			t.write(c.stdout, paintFor(c.stdout))
			return nil
		},
	}
}

func snapshotState(s topics.SnapshotState) string {
	if s == topics.SnapshotNone {
		return none
	}
	return string(s)
}

func snapshotRows(s *node.StreamSnapshot) string {
	of := int64(-1)
	if s.Of != nil {
		of = *s.Of
	}
	return rowsOf(s.Rows, of)
}

func lastRequest(r *node.RequestStatus) string {
	if r == nil {
		return none
	}
	text := fmt.Sprintf("%s, %s", r.State, r.Asked.Local().Format(time.DateTime))
	if r.Outcome != "" {
		text += ": " + r.Outcome
	}
	return text
}

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tributary/node"
	"tributary/topics"
)

func (c *cli) dlq() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dlq",
		Short: "Look at dead letters, and replay or discard them",
		Long: `Look at dead letters: source rows that could not be processed, each kept whole with its reason. The
entity that such a row belongs to keeps its last good value and is DEGRADED until the row's next
good version comes, or the letter is replayed or discarded.`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.dlqList(), c.dlqShow(),
		c.dlqEnd(topics.DeadLetterReplay, "replay", "Run the newest versions of dead-lettered rows again"),
		c.dlqEnd(topics.DeadLetterDiscard, "discard", "Give dead-lettered rows up: their entities keep their last good values"))
	return cmd
}

// A letterFilter picks dead letters.
type letterFilter struct {
	stage, stream, entity string
	resolved              bool
}

func (f *letterFilter) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.stage, "stage", "", "only those of a stage: ingest, normalize, resolve, sink")
	cmd.Flags().StringVar(&f.stream, "stream", "", "only those of a stream")
	cmd.Flags().StringVar(&f.entity, "entity", "", "only those of an entity")
}

func (f *letterFilter) takes(l *node.Letter) bool {
	return (f.resolved || l.Open()) && (f.stage == "" || l.Stage == f.stage) &&
		(f.stream == "" || l.Stream == f.stream) && (f.entity == "" || l.Entity == f.entity)
}

// letters reads the dead letters that a filter takes.
func letters(ctx context.Context, op *node.Operator, f *letterFilter) ([]node.Letter, error) {
	all, err := op.Letters(ctx, false)
	return slices.DeleteFunc(all, func(l node.Letter) bool { return !f.takes(&l) }), err
}

func (c *cli) dlqList() *cobra.Command {
	var f letterFilter
	var limit int
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List open dead letters, newest first, and count their reasons",
		Example: "  tributary dlq list --entity product\n  tributary dlq list --all -o json | jq '.reasons'",
		Args:    arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			op, err := c.operator()
			if err != nil {
				return err
			}
			defer op.Close()
			found, err := letters(cmd.Context(), op, &f)
			if err != nil {
				return err
			}
			return c.printLetters(found, limit)
		},
	}
	f.flags(cmd)
	cmd.Flags().BoolVar(&f.resolved, "all", false, "resolved ones, too")
	cmd.Flags().IntVar(&limit, "limit", 50, "how many to list at most; reasons are counted over all")
	return cmd
}

// A reasonCount counts the letters of one stream with one reason.
type reasonCount struct {
	Stream string `json:"stream"`
	Entity string `json:"entity,omitempty"`
	Reason string `json:"reason"`
	Count  int    `json:"count"`
}

func (c *cli) printLetters(found []node.Letter, limit int) error {
	reasons := countReasons(found)
	slices.SortStableFunc(found, func(a, b node.Letter) int { return b.At.Compare(a.At) })
	shown := found[:min(len(found), max(0, limit))]
	if c.json() {
		return c.printJSON(map[string]any{"total": len(found), "reasons": reasons, "letters": append([]node.Letter{}, shown...)})
	}
	if len(found) == 0 {
		fmt.Fprintln(c.stdout, "no dead letters")
		return nil
	}
	p := paintFor(c.stdout)
	t := &table{head: []string{"COUNT", "STREAM", "ENTITY", "REASON"}, right: map[int]bool{0: true}}
	for _, r := range reasons {
		t.add(grouped(int64(r.Count)), r.Stream, orNone(r.Entity), r.Reason)
	}
	t.write(c.stdout, p)
	fmt.Fprintln(c.stdout)
	t = &table{head: []string{"ID", "STAGE", "STREAM", "SOURCE KEY", "SINCE", "REPLAYS", "STATE"}, right: map[int]bool{5: true}}
	for _, l := range shown {
		t.add(l.ID, l.Stage, l.Stream, orNone(l.SourceKey), l.At.Local().Format(time.DateTime), fmt.Sprint(l.Replays), letterState(&l))
	}
	t.write(c.stdout, p)
	if len(shown) < len(found) {
		fmt.Fprintf(c.stdout, "%s of %s; --limit shows more\n", grouped(int64(len(shown))), grouped(int64(len(found))))
	}
	return nil
}

func countReasons(found []node.Letter) []reasonCount {
	out := []reasonCount{}
	index := map[reasonCount]int{}
	for _, l := range found {
		key := reasonCount{Stream: l.Stream, Entity: l.Entity, Reason: l.Reason}
		i, ok := index[key]
		if !ok {
			i = len(out)
			index[key] = i
			out = append(out, key)
		}
		out[i].Count++
	}
	slices.SortStableFunc(out, func(a, b reasonCount) int { return b.Count - a.Count })
	return out
}

func letterState(l *node.Letter) string {
	if l.How != "" {
		return l.How
	}
	return l.State
}

func (c *cli) dlqShow() *cobra.Command {
	return &cobra.Command{
		Use:     "show ID",
		Short:   "Show a dead letter whole, personal data included",
		Example: "  tributary dlq show 5f0c8a1b2c3d4e5f\n  tributary dlq show 5f0c8a1b2c3d4e5f -o json | jq .reason",
		Args:    arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			op, err := c.operator()
			if err != nil {
				return err
			}
			defer op.Close()
			l, err := op.Letter(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return c.printJSON(l)
		},
	}
}

// dlqEnd makes the commands replay and discard.
func (c *cli) dlqEnd(kind topics.RequestKind, name, short string) *cobra.Command {
	var f letterFilter
	var all, force bool
	cmd := &cobra.Command{
		Use:     name + " ID…|--all",
		Short:   short,
		Example: fmt.Sprintf("  tributary dlq %s 4d1e6f0a7c21b9d3\n  tributary dlq %s --all --stream erp.material", name, name),
		RunE: func(cmd *cobra.Command, args []string) error {
			filtered := f.stage != "" || f.stream != "" || f.entity != ""
			if all == (len(args) > 0) || filtered && !all {
				return usage("name the dead letters by their ids, or all that the filters take with --all")
			}
			op, err := c.operator()
			if err != nil {
				return err
			}
			defer op.Close()
			picked, err := pick(cmd.Context(), op, &f, args)
			if err != nil {
				return err
			}
			out, err := op.End(cmd.Context(), kind, picked, force)
			if err != nil {
				return err
			}
			return c.printEnd(kind, out)
		},
	}
	f.flags(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "all open ones that the filters take")
	if kind == topics.DeadLetterReplay {
		cmd.Flags().BoolVar(&force, "force", false, fmt.Sprintf("replay those, too, that were replayed %d times", topics.MaxReplays))
	}
	return cmd
}

// pick gives the open letters with the ids, or all that the filter takes where there are none.
func pick(ctx context.Context, op *node.Operator, f *letterFilter, ids []string) ([]node.Letter, error) {
	f.resolved = len(ids) > 0
	found, err := letters(ctx, op, f)
	if err != nil || len(ids) == 0 {
		return found, err
	}
	found = slices.DeleteFunc(found, func(l node.Letter) bool { return !slices.Contains(ids, l.ID) })
	for _, id := range ids {
		if !slices.ContainsFunc(found, func(l node.Letter) bool { return l.ID == id }) {
			return nil, fmt.Errorf("there is no dead letter %s: see tributary dlq list --all", id)
		}
	}
	return found, nil
}

func (c *cli) printEnd(kind topics.RequestKind, out node.LettersOutcome) error {
	if c.json() {
		if err := c.printJSON(out); err != nil {
			return err
		}
	} else {
		done := strings.TrimPrefix(string(kind), "dlq-") + "ed"
		fmt.Fprintf(c.stdout, "%d %s, %d failed again, %d were resolved before\n", out.Ended, done, out.Failed, out.Before)
	}
	if out.Failed > 0 {
		return errors.New("still held: " + out.Reason)
	}
	return nil
}

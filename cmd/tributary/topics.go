package main

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"tributary/node"
	"tributary/topics"
)

func (c *cli) topics() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "topics",
		Short: "Look after the mesh's topics",
		Args:  arguments(cobra.NoArgs),
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.topicsCompact())
	return cmd
}

func (c *cli) topicsCompact() *cobra.Command {
	return &cobra.Command{
		Use:   "compact [TOPIC…]",
		Short: "Compact the embedded broker's topics while it does not run",
		Long: `Compact the embedded broker's topics: keep the newest record of each key and drop those that it
has replaced. Stop tributary up first. It compacts by itself at each start, too, where more than
half of a topic's records, and more than a million, are dead.`,
		Example: "  tributary topics compact\n  tributary topics compact acme.raw.erp.material",
		RunE: func(_ *cobra.Command, args []string) error {
			m, err := c.loadUnresolved()
			if err != nil {
				return err
			}
			done, err := node.CompactBroker(m, c.data, args, c.log())
			if err != nil {
				return err
			}
			return c.printCompactions(done)
		},
	}
}

func (c *cli) printCompactions(done []topics.Compaction) error {
	slices.SortFunc(done, func(a, b topics.Compaction) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	if c.json() {
		return c.printJSON(append([]topics.Compaction{}, done...))
	}
	t := &table{head: []string{"TOPIC", "PARTITION", "BEFORE", "AFTER"}, right: map[int]bool{1: true, 2: true, 3: true}}
	for _, d := range done {
		t.add(d.Topic, fmt.Sprint(d.Partition), grouped(d.Before), grouped(d.After))
	}
	t.write(c.stdout, paintFor(c.stdout))
	return nil
}

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// A bench measures one row of the table of aims.
type bench struct {
	id  string
	run func(ctx context.Context, r *rig, b *board) error
}

// suite are all benches, in the order in which they run.
func suite() []bench {
	return []bench{
		{"P1", benchDrain}, {"P4", benchLatency}, {"P5", benchResolve},
		{"P6a", benchThree}, {"P6b", benchShop}, {"P7", benchGateway}, {"P8", benchIdle}, {"P9", benchRestart},
	}
}

// chosen gives the benches of a comma list; an empty one means all.
func chosen(only string) ([]bench, error) {
	all := suite()
	if only == "" {
		return all, nil
	}
	var out []bench
	for _, name := range strings.Split(only, ",") {
		i := slices.IndexFunc(all, func(b bench) bool { return strings.EqualFold(b.id, strings.TrimSpace(name)) })
		if i < 0 {
			var ids []string
			for _, b := range all {
				ids = append(ids, strings.ToLower(b.id))
			}
			return nil, fmt.Errorf("there is no bench %q: there are %s", name, strings.Join(ids, ", "))
		}
		out = append(out, all[i])
	}
	return out, nil
}

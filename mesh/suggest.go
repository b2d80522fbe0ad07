package mesh

import (
	"fmt"
	"slices"
	"strings"

	"tributary/mesh/expr"
)

// oneOf suggests the nearest candidate, or names them all.
func oneOf(name string, candidates []string) string {
	if best := expr.Nearest(name, candidates); best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	if len(candidates) == 0 {
		return "there is none"
	}
	if len(candidates) == 1 {
		return "there is " + candidates[0]
	}
	return "there are " + list(candidates)
}

// list joins names, up to a bound.
func list(names []string) string {
	const most = 20
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// sortedNames gives the keys of a map in order.
func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

package mesh

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// nearest gives the candidate that name most likely was meant to be, or "".
func nearest(name string, candidates []string) string {
	if len(name) > 2*maxName {
		return ""
	}
	best, limit := "", max(1, min(len(name)/2, 4))+1
	for _, c := range candidates {
		if strings.EqualFold(c, name) {
			return c
		}
		if d := levenshtein.ComputeDistance(strings.ToLower(name), strings.ToLower(c)); d < limit {
			best, limit = c, d
		}
	}
	return best
}

// oneOf suggests the nearest candidate, or names them all.
func oneOf(name string, candidates []string) string {
	if best := nearest(name, candidates); best != "" {
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

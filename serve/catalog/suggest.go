package catalog

import (
	"strings"

	"github.com/agnivade/levenshtein"
)

// Suggest gives ": did you mean …?" for a name that nearly is one of the known ones, else ", "
// and the known names themselves.
func Suggest(name string, known []string) string {
	best, distance := "", 1+len(name)/3
	for _, k := range known {
		if d := levenshtein.ComputeDistance(strings.ToLower(name), strings.ToLower(k)); d <= distance {
			best, distance = k, d-1
		}
	}
	if best != "" {
		return ": did you mean " + best + "?"
	}
	return ": there are " + strings.Join(known, ", ")
}

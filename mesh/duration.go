package mesh

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// ParseDuration reads a duration of the manifest: Go's notation with d for days of 24 hours in
// front, as in 500ms, 10s, 5m, 1h30m, 7d, 1d12h. It must be above zero.
func ParseDuration(s string) (time.Duration, error) {
	days, rest, found := strings.Cut(s, "d")
	if !found {
		days, rest = "0", s
	}
	n, err := strconv.ParseUint(days, 10, 32)
	if err != nil || n > uint64(math.MaxInt64/day)-1 {
		return 0, errDuration
	}
	d := time.Duration(n) * day
	if rest != "" {
		r, err := time.ParseDuration(rest)
		if err != nil || r < 0 || r > math.MaxInt64-d {
			return 0, errDuration
		}
		d += r
	}
	if d <= 0 {
		return 0, errDuration
	}
	return d, nil
}

var errDuration = errors.New("not a duration: write it like 500ms, 10s, 5m, 1h30m or 7d")

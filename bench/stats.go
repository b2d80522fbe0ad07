package main

import (
	"math"
	"slices"
	"time"
)

// median gives the middle of values, the mean of the two middle ones where their number is even;
// NaN for none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// quantile gives the smallest duration that at least the share q (0 to 1) of the values do not
// exceed (nearest rank); 0 for no values. It sorts them.
func quantile(values []time.Duration, q float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	rank := int(math.Ceil(q * float64(len(values))))
	return values[min(max(rank, 1), len(values))-1]
}

// milliseconds of a duration.
func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// mebibytes of bytes.
func mebibytes(bytes int64) float64 { return float64(bytes) / (1 << 20) }

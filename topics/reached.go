//go:build !broken_i4

package topics

// reached says whether a reader that has applied everything below next has reached a claim with
// that end (I4). The build tag broken_i4 takes this guard out, for the crash test's control.
func reached(end, next int64) bool { return end <= next }

// beforeReached is called before claims are held against what has been applied.
func beforeReached() {}

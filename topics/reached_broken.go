//go:build broken_i4

package topics

import "time"

// reached takes a claim for what it says as soon as it is seen: the fault that I4 forbids.
func reached(int64, int64) bool { return true }

// beforeReached leaves time for claims to come whose data has not.
func beforeReached() { time.Sleep(100 * time.Millisecond) }

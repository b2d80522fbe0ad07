//go:build broken_i4

package topics

// reached takes a claim for what it says as soon as it is seen: the fault that I4 forbids.
func reached(int64, int64) bool { return true }

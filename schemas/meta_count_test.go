package schemas

import (
	"math/rand/v2"
	"testing"
)

// TestCountConflicts holds the count against what decoding the whole _meta says.
func TestCountConflicts(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		m := Meta{Generation: 1, Offset: 77, Policy: "p", Held: make([]HeldRow, random.IntN(3)), Sources: make([]SourceRef, random.IntN(4))}
		var want int64
		for range random.IntN(6) {
			p := Provenance{Field: "price", Rule: "owner", Winner: -1, Inputs: make([]int32, random.IntN(3)), Conflict: random.IntN(2) == 0}
			for range random.IntN(3) {
				p.Losers = append(p.Losers, Loser{Value: []byte("value")})
			}
			if p.Conflict {
				want++
			}
			m.Fields = append(m.Fields, p)
		}
		body := AppendMeta(nil, &m)
		if got, err := CountConflicts(body); err != nil || got != want {
			t.Fatalf("%d conflicts, %v; want %d", got, err, want)
		}
		if len(m.Fields) > 0 {
			if _, err := CountConflicts(body[:len(body)-1]); err == nil {
				t.Fatal("a _meta that is cut off was counted")
			}
		}
	}
}

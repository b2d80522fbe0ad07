package mesh_test

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"tributary/mesh"
)

var seed = flag.Uint64("seed", 0, "seed of shuffled manifests; 0 takes the clock")

// Hashes do not see the order of a manifest's documents, keys and contributions, nor comments.
func TestHashesDoNotSeeOrder(t *testing.T) {
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("go test ./mesh -run TestHashesDoNotSeeOrder -seed %d", *seed)
	rng := rand.New(rand.NewPCG(*seed, 0))
	for _, name := range []string{"testdata/example.yaml", "testdata/full.yaml"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		want := hashes(t, text)
		for range 20 {
			shuffled := shuffle(t, rng, text)
			if got := hashes(t, shuffled); len(got) != len(want) || got["product"] != want["product"] || got["company"] != want["company"] {
				t.Fatalf("other hashes for\n%s", shuffled)
			}
		}
	}
}

func hashes(t *testing.T, text []byte) map[string][2]string {
	t.Helper()
	m, err := mesh.Parse([]mesh.File{{Name: "m.yaml", Text: text}}, environment)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	out := map[string][2]string{}
	for _, e := range m.Entities {
		out[e.Name] = [2]string{e.MappingHash(), e.RuleHash()}
	}
	return out
}

// shuffle writes a manifest with its documents, keys and contributions in another order.
func shuffle(t *testing.T, rng *rand.Rand, text []byte) []byte {
	t.Helper()
	var docs []*yaml.Node
	for dec := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var n yaml.Node
		err := dec.Decode(&n)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		shuffleNode(rng, &n, "")
		docs = append(docs, &n)
	}
	rng.Shuffle(len(docs), func(i, j int) { docs[i], docs[j] = docs[j], docs[i] })
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	for _, n := range docs {
		if err := enc.Encode(n); err != nil {
			t.Fatal(err)
		}
	}
	if err := enc.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func shuffleNode(rng *rand.Rand, n *yaml.Node, key string) {
	n.HeadComment, n.LineComment, n.FootComment = "", "", ""
	c := n.Content
	switch {
	case n.Kind == yaml.MappingNode:
		for i := 0; i < len(c); i += 2 {
			shuffleNode(rng, c[i+1], c[i].Value)
		}
		rng.Shuffle(len(c)/2, func(i, j int) {
			c[2*i], c[2*j], c[2*i+1], c[2*j+1] = c[2*j], c[2*i], c[2*j+1], c[2*i+1]
		})
		return
	case key == "contributions":
		rng.Shuffle(len(c), func(i, j int) { c[i], c[j] = c[j], c[i] })
	}
	for _, child := range c {
		shuffleNode(rng, child, "")
	}
}

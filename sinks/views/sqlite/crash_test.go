package sqlite

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tributary/mesh"
	"tributary/schemas"
	"tributary/sinks/views"
	"tributary/topics"
)

const crashFile = "TRIBUTARY_TEST_CRASH_FILE"

func crashEntity() *mesh.Entity {
	return &mesh.Entity{Name: "product", Key: "sku", Fields: []*mesh.Field{
		{Name: "sku", Type: mesh.Type{Kind: mesh.String}}, {Name: "batch", Type: mesh.Type{Kind: mesh.Int}},
	}}
}

// crashBatch sets all rows, the offset and the frontier to one number.
func crashBatch(e *mesh.Entity, n int64) views.Batch {
	b := views.Batch{Entity: e, Offsets: []views.Offset{{Topic: "view", Next: n}},
		Frontiers: []views.Frontier{{Stream: "erp.material", Through: time.Unix(n, 0), Position: topics.MakePosition(1, 0, topics.MajorOf(uint64(n)), 0)}}}
	for i := range 300 {
		id := fmt.Sprint("sku-", i)
		b.Rows = append(b.Rows, views.Row{ID: id, Version: views.Version{Generation: 1, Offset: n},
			Values: [][]byte{schemas.AppendString(nil, id), schemas.AppendLong(nil, n)}, Meta: make([]byte, 400)})
	}
	// One row lives in even batches only.
	b.Rows[0].Deleted = n%2 == 1
	return b
}

// TestCrashChild is the process that TestCrash kills; run by itself it has nothing to do.
func TestCrashChild(t *testing.T) {
	path := os.Getenv(crashFile)
	if path == "" {
		return
	}
	s, e := open(t, path), crashEntity()
	if err := s.Define(t.Context(), []*mesh.Entity{e}); err != nil {
		t.Fatal(err)
	}
	p, err := s.Progress(t.Context(), e.Name)
	if err != nil {
		t.Fatal(err)
	}
	next := int64(1)
	if len(p.Offsets) > 0 {
		next = p.Offsets[0].Next + 1
	}
	for ; ; next++ {
		if err := s.Apply(context.Background(), crashBatch(e, next)); err != nil {
			t.Fatal(err)
		}
		fmt.Println("applied", next)
	}
}

// TestCrash kills a process with SIGKILL while it applies batches: rows, offsets and frontiers
// are then of one batch, and none that was acknowledged is lost.
func TestCrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "views.db")
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 8 {
		acknowledged := killed(t, path, 2+random.IntN(30), time.Duration(random.IntN(3000))*time.Microsecond)
		s := open(t, path)
		checkCrashed(t, s, acknowledged)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killed runs the child until it has acknowledged some batches and a little longer.
func killed(t *testing.T, path string, batches int, longer time.Duration) (acknowledged int64) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestCrashChild$")
	cmd.Env = append(os.Environ(), crashFile+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var text strings.Builder
	for lines.Scan() {
		if _, err := fmt.Sscanf(lines.Text(), "applied %d", &acknowledged); err != nil {
			fmt.Fprintln(&text, lines.Text())
		}
		if batches--; batches == 0 {
			time.AfterFunc(longer, func() { _ = cmd.Process.Kill() }) // at some moment within an Apply
		}
	}
	_ = cmd.Wait()
	if acknowledged == 0 {
		t.Fatalf("the child applied nothing: %s", text.String())
	}
	return acknowledged
}

func checkCrashed(t *testing.T, s *Store, acknowledged int64) {
	e := crashEntity()
	if err := s.Define(t.Context(), []*mesh.Entity{e}); err != nil {
		t.Fatal(err)
	}
	p, err := s.Progress(t.Context(), e.Name)
	if err != nil || len(p.Offsets) != 1 || len(p.Frontiers) != 1 {
		t.Fatalf("progress %v, %v", p, err)
	}
	n := p.Offsets[0].Next
	if n < acknowledged {
		t.Errorf("batch %d was acknowledged, the store stands at %d", acknowledged, n)
	}
	if f := p.Frontiers[0]; f.Through.Unix() != n || f.Position.Major().Uint64() != uint64(n) {
		t.Errorf("offset %d, frontier %v %v", n, f.Through, f.Position)
	}
	q, err := s.Prepare(t.Context(), &views.Query{Entity: e, Select: []views.Item{{As: "b", Field: e.Field("batch")}}})
	if err != nil {
		t.Fatal(err)
	}
	rows, want := int64(0), fmt.Sprintf(`{"b":%d}`, n)
	err = q.Run(t.Context(), nil, func(json, _ []byte) error {
		if rows++; string(json) != want {
			t.Errorf("offset %d, row %s", n, json)
		}
		return nil
	})
	if expected := 300 - n%2; err != nil || rows != expected {
		t.Errorf("%d rows of %d, %v", rows, expected, err)
	}
}

package postgres

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"tributary/ingest"
	"tributary/mesh"
)

// nullEmitter takes everything and keeps nothing.
type nullEmitter struct{ changes int }

func (*nullEmitter) Contract(context.Context, ingest.Contract) (ingest.SchemaIDs, error) {
	return ingest.SchemaIDs{Key: 1, Value: 2}, nil
}
func (n *nullEmitter) Change(context.Context, ingest.Change) error { n.changes++; return nil }
func (*nullEmitter) Mark(context.Context, ingest.Mark) error       { return nil }
func (*nullEmitter) Durable() ingest.Resume                        { return nil }

// tenColumns is a row of simple types, as an upstream's master data has.
var tenColumns = []struct {
	oid  uint32
	text string
}{
	{oidInt8, "1234567"}, {25, "SKU-0001234567"}, {25, "Screwdriver, flat, 3 mm"}, {1700, "12.90"}, {oidInt4, "42"},
	{oidBool, "t"}, {oidTimestamptz, "2026-11-23 07:49:21.123456+00"}, {oidDate, "2026-11-23"}, {oidFloat8, "0.25"}, {25, "EUR"},
}

// benchStream is a stream with one relation of tenColumns and no connection.
func benchStream(out ingest.Emitter) *stream {
	sys := &mesh.System{Name: "erp", Connection: mesh.NewSecret("x", "postgres://127.0.0.1/x")}
	sys.Streams = []*mesh.Stream{{System: sys, Name: "material", Table: "mara"}}
	s, err := newSource(ingest.Options{Mesh: "acme", System: sys}, Tuning{})
	if err != nil {
		panic(err)
	}
	sh := &shape{schema: "public", table: "mara", oid: 7}
	for i, c := range tenColumns {
		sh.columns = append(sh.columns, column{name: fmt.Sprintf("c%d", i), typ: pgType{oid: c.oid}, key: i == 0})
	}
	rel := &relation{encoder: s.newRowEncoder(sh)}
	st := &stream{source: s, out: out, relations: map[uint32]*relation{7: rel}, slab: &slab{size: s.tuning.SlabBytes}}
	st.tx = transaction{open: true, lsn: 100, now: time.Now(), moment: moment{number: 1, time: time.Now(), snapshot: "false", xid: 9}}
	return st
}

// insertFrame is a CopyData content with an Insert of tenColumns.
func insertFrame() []byte {
	b := append([]byte{'w'}, make([]byte, 24)...)
	b = append(b, 'I', 0, 0, 0, 7, 'N')
	b = binary.BigEndian.AppendUint16(b, uint16(len(tenColumns)))
	for _, c := range tenColumns {
		b = append(b, 't')
		b = binary.BigEndian.AppendUint32(b, uint32(len(c.text)))
		b = append(b, c.text...)
	}
	return b
}

// BenchmarkStreamInsert is the way of a row from the wire's frame to the emitter.
func BenchmarkStreamInsert(b *testing.B) {
	out := &nullEmitter{}
	st := benchStream(out)
	frame := insertFrame()
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	for b.Loop() {
		if err := st.frame(context.Background(), frame); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(out.changes)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkSnapshotRow is the way of a row from COPY's text to the emitter.
func BenchmarkSnapshotRow(b *testing.B) {
	out := &nullEmitter{}
	st := benchStream(out)
	var texts []string
	for _, c := range tenColumns {
		texts = append(texts, c.text)
	}
	line := []byte(strings.Join(texts, "\t") + "\n")
	sn := &snapshot{source: st.source, out: out, at: st.tx.moment}
	r := &rowReader{ctx: context.Background(), snapshot: sn, encoder: st.relations[7].encoder, slab: st.slab, tuple: make(tuple, len(tenColumns)), now: time.Now}
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Write(line); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(out.changes)/b.Elapsed().Seconds(), "rows/s")
}

// TestHotPathMakesNoGarbage allows the slabs and nothing else: at most ten allocations in a
// thousand rows.
func TestHotPathMakesNoGarbage(t *testing.T) {
	st := benchStream(&nullEmitter{})
	frame := insertFrame()
	allocations := testing.AllocsPerRun(5, func() {
		for range 1000 {
			if err := st.frame(context.Background(), frame); err != nil {
				t.Fatal(err)
			}
		}
	})
	if allocations > 10 {
		t.Errorf("%.0f allocations in a thousand rows", allocations)
	}
}

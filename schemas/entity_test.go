package schemas

import (
	"reflect"
	"testing"

	"github.com/hamba/avro/v2"
	"tributary/mesh"
)

func testEntity() *mesh.Entity {
	return &mesh.Entity{Name: "product", Key: "sku", Fields: []*mesh.Field{
		{Name: "sku", Type: mesh.Type{Kind: mesh.String}},
		{Name: "name", Type: mesh.Type{Kind: mesh.String}, Localized: true},
		{Name: "price", Type: mesh.Type{Kind: mesh.Decimal, Precision: 12, Scale: 2}},
		{Name: "tags", Type: mesh.Type{Kind: mesh.List, Elem: &mesh.Type{Kind: mesh.String}}},
	}}
}

func testValues() [][]byte {
	names := append(AppendString(AppendString(AppendLong(nil, 1), "de"), "Schraube"), 0)
	tags := append(AppendString(AppendString(AppendLong(nil, 2), "a"), "b"), 0)
	return [][]byte{AppendString(nil, "SKU-1"), names, nil, tags}
}

// readsWith checks that an independent Avro library reads body whole with the schema.
func readsWith(t *testing.T, schema string, body []byte) map[string]any {
	t.Helper()
	s, err := avro.Parse(schema)
	if err != nil {
		t.Fatalf("schema %s: %v", schema, err)
	}
	var got map[string]any
	if err := avro.Unmarshal(s, body, &got); err != nil {
		t.Fatalf("an independent reader failed: %v", err)
	}
	return got
}

func TestContributionIsAvro(t *testing.T) {
	c := NewEntityCodec("acme", testEntity())
	for _, want := range []Contribution{
		{Position: [32]byte{1, 2}, SourceTime: 5, CommitTime: 7, TxID: 9, Values: testValues()},
		{CommitTime: 7, Held: &Held{DLQID: "x", Reason: "bad", Time: 3}},
	} {
		body := c.AppendContribution(nil, &want)
		readsWith(t, c.ContributionSchema(), body)
		var got Contribution
		if err := c.DecodeContribution(body, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v (%v), want %+v", got, err, want)
		}
		for i := range body {
			if err := c.DecodeContribution(body[:i], &got); err == nil {
				t.Errorf("a body cut to %d bytes was read without error", i)
			}
		}
	}
	got := readsWith(t, ContributionKeySchema(), AppendContributionKey(nil, ContributionKey{"1", "erp.material", "block", "2", KindRow}))
	want := map[string]any{"id": "1", "stream": "erp.material", "block": "block", "sourceKey": "2", "kind": KindRow}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestViewIsAvro(t *testing.T) {
	c := NewEntityCodec("acme", testEntity())
	want := View{Values: testValues(), Meta: Meta{Generation: 1, Partition: 2, Offset: 300, N: 4, Policy: "p",
		Sources: []SourceRef{{Stream: "erp.material", Block: "b", SourceKey: "k", Position: [32]byte{9}, SourceTime: 1, CommitTime: 2, TxID: 3}},
		Fields: []Provenance{{Field: "price", Rule: "owner", Winner: 0, Losers: []Loser{{Source: 0, Value: []byte{1}}}, LoserCount: 1, Conflict: true},
			{Field: "stock", Rule: "sum", Winner: -1, Inputs: []int32{0, 1}, InputCount: 2}},
		Held: []HeldRow{{Stream: "s", SourceKey: "k", DLQID: "d", Time: 8}}}}
	body := c.AppendView(nil, &want)
	readsWith(t, c.ViewSchema(), body)
	values, metaBody, err := c.SplitView(body, nil)
	if err != nil {
		t.Fatal(err)
	}
	meta, err := DecodeMeta(metaBody)
	if err != nil || !reflect.DeepEqual(values, want.Values) || !reflect.DeepEqual(meta, want.Meta) {
		t.Errorf("got %v %+v (%v), want %+v", values, meta, err, want)
	}
}

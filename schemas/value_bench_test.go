package schemas

import (
	"testing"

	"tributary/mesh"
)

func BenchmarkAppendJSON(b *testing.B) {
	for name, c := range map[string]struct {
		t    mesh.Type
		text string
	}{
		"decimal":   {decimalType(12, 2), "12345.67"},
		"decimal38": {decimalType(38, 2), "123456789012345678901234567890.12"},
		"int":       {mesh.Type{Kind: mesh.Int}, "123456"},
		"timestamp": {mesh.Type{Kind: mesh.Timestamp}, "2026-01-02T03:04:05.123456Z"},
		"date":      {mesh.Type{Kind: mesh.Date}, "2026-01-02"},
		"string":    {mesh.Type{Kind: mesh.String}, "Hexagon screw \"M8\" × 40, zinc"},
		"json":      {mesh.Type{Kind: mesh.JSON}, `{"a": [1, 2, 3], "b": "text"}`},
		"float":     {mesh.Type{Kind: mesh.Float}, "3.14159"},
		"bytes":     {mesh.Type{Kind: mesh.Bytes}, `\x00112233445566778899`},
		"enum":      {mesh.Type{Kind: mesh.Enum, Symbols: []string{"a", "b"}}, "b"},
	} {
		b.Run(name, func(b *testing.B) {
			avro, err := ParseText(nil, c.t, c.text)
			if err != nil {
				b.Fatal(err)
			}
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				dst, _ = AppendJSON(dst[:0], c.t, avro)
			}
		})
		b.Run(name+"/parse", func(b *testing.B) {
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				dst, _ = ParseText(dst[:0], c.t, c.text)
			}
		})
	}
}

func BenchmarkCompareDecimal(b *testing.B) {
	t := decimalType(12, 2)
	x, y := AppendDecimalInt64(nil, 1234567), AppendDecimalInt64(nil, 1234568)
	b.ReportAllocs()
	for b.Loop() {
		_ = Compare(t, x, y)
	}
}

// TestNoAllocation holds the hot path to what its callers count on.
func TestNoAllocation(t *testing.T) {
	dst := make([]byte, 0, 256)
	for text, typ := range map[string]mesh.Type{
		"12345.67": decimalType(12, 2), "42": {Kind: mesh.Int}, "1.5": {Kind: mesh.Float}, "true": {Kind: mesh.Bool}, "2026-01-02": {Kind: mesh.Date},
		"2026-01-02T03:04:05.123Z": {Kind: mesh.Timestamp}, "a \"quoted\" text": {Kind: mesh.String}, `\x0011`: {Kind: mesh.Bytes},
	} {
		avro, err := ParseText(nil, typ, text)
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() { _, _ = AppendJSON(dst, typ, avro) }); n > 0 {
			t.Errorf("%s: %v allocations", text, n)
		}
	}
}

package clickhouse

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

func TestNativeGetsBlockInfoAndSerializationMarks(t *testing.T) {
	old := []byte("\x02\x01\x01a\x05UInt8\x07\x01b\x06String\x02xy" + "\x01\x00\x01a\x05UInt8")
	cuts, err := cutsOf(old)
	if err != nil {
		t.Fatal(err)
	}
	for revision, want := range map[int]string{
		0:     string(old),
		54000: string(blockInfo) + "\x02\x01\x01a\x05UInt8\x07\x01b\x06String\x02xy" + string(blockInfo) + "\x01\x00\x01a\x05UInt8",
		54460: string(blockInfo) + "\x02\x01\x01a\x05UInt8\x00\x07\x01b\x06String\x00\x02xy" + string(blockInfo) + "\x01\x00\x01a\x05UInt8\x00",
	} {
		var got bytes.Buffer
		if err := writeNative(&got, old, cuts, revision); err != nil || got.String() != want {
			t.Errorf("revision %d: %q, want %q (%v)", revision, got.String(), want, err)
		}
	}
	for i := 1; i < len(old)-9; i++ {
		if _, err := cutsOf(old[:i]); err == nil && i != len(old)-10 {
			t.Errorf("the first %d bytes are taken for whole", i)
		}
	}
}

func TestDamagedNativeAndTypesAreErrors(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		types := []string{"LowCardinality(Nullable(String))", "Array(Array(String))", "Map(String, Tuple(a Int8, b Nullable(UUID)))", "FixedString(16777216)", "Decimal(76, 3)", "MultiPolygon"}
		name := rapid.OneOf(rapid.SampledFrom(types), rapid.StringMatching(`[A-Z][a-z]+\([A-Za-z0-9 ,'()]*\)`)).Draw(t, "type")
		block := append([]byte{1, rapid.Byte().Draw(t, "rows") & 0x7f, 1, 'a', byte(min(len(name), 127))}, name[:min(len(name), 127)]...)
		block = append(block, rapid.SliceOf(rapid.Byte()).Draw(t, "column")...)
		cuts, err := cutsOf(block) // it must end, within its bytes
		for _, c := range cuts {
			if err == nil && c.at > len(block) {
				t.Fatalf("cut at %d of %d bytes", c.at, len(block))
			}
		}
	})
	deep := bytes.Repeat([]byte("Array("), 100)
	if _, err := parseType(string(deep) + "Int8" + string(bytes.Repeat([]byte(")"), 100))); err == nil {
		t.Error("a type of a hundred levels is read")
	}
}

func TestStatements(t *testing.T) {
	for text, want := range map[string]string{
		"INSERT INTO t FORMAT Native\n\n\n":                                  "Native|\n\n",
		"insert into `a format x` (a, \"b\") settings a=1 format CSV  \r\nx": "CSV|x",
		"INSERT INTO t /* FORMAT X */ -- FORMAT Y\n VALUES ('FORMAT Z')":     "Values| ('FORMAT Z')",
		"INSERT INTO t FORMAT Values (1)":                                    "Values|(1)",
		"INSERT INTO t SELECT 'VALUES' AS values FORMAT TSV":                 "",
		"INSERT INTO t WITH 1 AS x SELECT x":                                 "",
		"SELECT $x$ FORMAT A $x$, format('{}', 1) FORMAT\nB":                 "",
		"SELECT formatDateTime(now(), 'FORMAT \\' C')":                       "",
	} {
		s, err := analyse([]byte(text))
		got := ""
		if s.insert {
			got = s.input + "|" + text[s.dataFrom:]
		}
		if err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
	text := "INSERT INTO t (a) SETTINGS x=1 FORMAT CSV\n1"
	s, err := analyse([]byte(text))
	if got := string(s.fromFile([]byte(text), "/p'q")); err != nil || got != `INSERT INTO t (a)  FROM INFILE '/p\'q' COMPRESSION 'none' SETTINGS x=1  FORMAT CSV` {
		t.Errorf("with its rows in a file: %s, %v", got, err)
	}
	for text, want := range map[string]string{
		"SELECT $x$ FORMAT A $x$, format('{}', 1) FORMAT\nB":     "B",
		"SELECT 1 AS format FROM t":                              "",
		"SELECT format, a FROM t":                                "",
		"SELECT 1 FORMAT JSON SETTINGS max_threads = 1, a = 'x'": "JSON",
		"SELECT (SELECT 1 FORMAT X)":                             "",
		"SELECT 1 FORMAT CSV;":                                   "CSV",
	} {
		if s, err := analyse([]byte(text)); err != nil || s.format != want {
			t.Errorf("output format of %q is %q, %v; want %q", text, s.format, err, want)
		}
	}
}

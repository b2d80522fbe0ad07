package schemas

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tributary/mesh"
)

func decimalType(p, s int) mesh.Type {
	return mesh.Type{Kind: mesh.Decimal, Precision: p, Scale: s}
}

// kinds has a type of each kind.
func kinds() []mesh.Type {
	out := []mesh.Type{decimalType(12, 2), decimalType(38, 10), {Kind: mesh.Enum, Symbols: []string{"red", "green", "blue"}}}
	for _, k := range []mesh.Kind{mesh.String, mesh.Int, mesh.Float, mesh.Bool, mesh.Timestamp, mesh.Date, mesh.UUID, mesh.JSON, mesh.Bytes} {
		out = append(out, mesh.Type{Kind: k})
	}
	for _, elem := range out {
		out = append(out, mesh.Type{Kind: mesh.List, Elem: &elem})
	}
	return out
}

// TestTextToJSON reads texts and shows them as JSON: what a client asks with and what it gets.
func TestTextToJSON(t *testing.T) {
	typ := func(k mesh.Kind) mesh.Type { return mesh.Type{Kind: k} }
	d2 := decimalType(12, 2)
	ts, date := typ(mesh.Timestamp), typ(mesh.Date)
	for _, c := range []struct {
		t          mesh.Type
		text, want string // want "!text" is an error with that text
	}{
		{typ(mesh.Int), "42", `42`}, {typ(mesh.Int), "-9007199254740992", `-9007199254740992`},
		{typ(mesh.Int), "9007199254740993", `"9007199254740993"`}, {typ(mesh.Int), "9223372036854775808", "!whole number"},
		{typ(mesh.Int), "4.0", "!whole number"}, {typ(mesh.Int), "", "!whole number"},

		{d2, "12.5", `"12.50"`}, {d2, "-0.05", `"-0.05"`}, {d2, "0", `"0.00"`}, {d2, "-0.00", `"0.00"`}, {d2, "1e3", `"1000.00"`},
		{d2, "1.50000", `"1.50"`}, {d2, "00012", `"12.00"`}, {d2, "+.5", `"0.50"`}, {d2, "9999999999.99", `"9999999999.99"`},
		{d2, "10000000000", "!needs 13 digits but the type has 12"}, {d2, "1.005", "!needs scale 3 but the type has 2"},
		{d2, "1e1000", "!digits but the type has 12"}, {d2, "1e1001", "!a decimal is"}, {d2, "NaN", "!a decimal is"},
		{d2, ".", "!a decimal is"}, {d2, "1.2.3", "!a decimal is"}, {d2, "", "!a decimal is"}, {d2, "0x1", "!a decimal is"}, {d2, "1_0", "!a decimal is"},
		{decimalType(3, 0), "120", `"120"`}, {decimalType(3, 3), "0.12", `"0.120"`}, {decimalType(3, 3), "1", "!needs 4 digits"},
		{decimalType(38, 2), "-123456789012345678901234567890123456.78", `"-123456789012345678901234567890123456.78"`},

		{typ(mesh.Float), "1.5", `1.5`}, {typ(mesh.Float), "1e21", `1e+21`}, {typ(mesh.Float), "1e-7", `1e-07`}, {typ(mesh.Float), "100000", `100000`},
		{typ(mesh.Float), "NaN", `"NaN"`}, {typ(mesh.Float), "Infinity", `"Infinity"`}, {typ(mesh.Float), "-Infinity", `"-Infinity"`},
		{typ(mesh.Float), "1e400", "!64 bits"}, {typ(mesh.Float), "0x1p-2", "!64 bits"},

		{typ(mesh.Bool), "true", `true`}, {typ(mesh.Bool), "t", `true`}, {typ(mesh.Bool), "f", `false`}, {typ(mesh.Bool), "yes", "!true or false"},

		{ts, "2026-01-02T03:04:05Z", `"2026-01-02T03:04:05Z"`}, {ts, "2026-01-02 03:04:05.123456+00", `"2026-01-02T03:04:05.123456Z"`},
		{ts, "2026-01-02 03:04:05.120000+05:30", `"2026-01-01T21:34:05.12Z"`}, {ts, "2026-01-02t03:04:05.5-0100", `"2026-01-02T04:04:05.5Z"`},
		{ts, "2026-01-02 03:04:05", `"2026-01-02T03:04:05Z"`}, {ts, "1883-11-18 12:03:58+00:53:28", `"1883-11-18T11:10:30Z"`},
		{ts, "2026-01-02T03:04:05.123456000Z", `"2026-01-02T03:04:05.123456Z"`}, {ts, "2026-01-02T03:04:05.1234567Z", "!more than 6 digits"},
		{ts, "0044-03-15 12:00:00+00 BC", `"-000043-03-15T12:00:00Z"`}, {ts, "12026-01-02 03:04:05+00", `"+012026-01-02T03:04:05Z"`},
		{ts, "+012026-01-02T03:04:05Z", `"+012026-01-02T03:04:05Z"`}, {ts, "0001-01-01 00:00:00 BC", `"0000-01-01T00:00:00Z"`},
		{ts, "1969-12-31T23:59:59.999999Z", `"1969-12-31T23:59:59.999999Z"`},
		{ts, "infinity", `"infinity"`}, {ts, "-infinity", `"-infinity"`}, {ts, "2026-02-30T00:00:00Z", "!a timestamp is"},
		{ts, "2026-01-02", "!a timestamp is"}, {ts, "2026-01-02T24:00:00Z", "!a timestamp is"}, {ts, "2026-01-02T03:04:05.Z", "!a timestamp is"},
		{ts, "2026-01-02T03:04:05Z ", "!a timestamp is"}, {ts, "9999999-01-01T00:00:00Z", "!beyond the range"},

		{date, "2026-01-02", `"2026-01-02"`}, {date, "0001-02-29 BC", `"0000-02-29"`}, {date, "0044-03-15 BC", `"-000043-03-15"`},
		{date, "10000-01-01", `"+010000-01-01"`}, {date, "infinity", `"infinity"`}, {date, "5874897-12-31", `"+5874897-12-31"`},
		{date, "2025-02-29", "!a date is"}, {date, "2026-1-2", "!a date is"}, {date, "0000-01-01 BC", "!a date is"}, {date, "9999999-01-01", "!beyond the range"},

		{typ(mesh.UUID), "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", `"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"`},
		{typ(mesh.UUID), "a0eebc999c0b4ef8bb6d6bb9bd380a11", `"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"`},
		{typ(mesh.UUID), "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1", "!a uuid is"}, {typ(mesh.UUID), "a0eebc99-9c0b-4ef8-bb6d6bb9bd380a1-1", "!a uuid is"},
		{typ(mesh.JSON), ` { "a" : [1, "x y\" z\\"] } `, `{"a":[1,"x y\" z\\"]}`}, {typ(mesh.JSON), `{`, "!valid JSON"},
		{mesh.Type{Kind: mesh.Enum, Symbols: []string{"a", "b"}}, "b", `"b"`}, {mesh.Type{Kind: mesh.Enum, Symbols: []string{"a", "b"}}, "c", "!one of a, b"},
		{typ(mesh.Bytes), `\x00fF`, `"AP8="`}, {typ(mesh.Bytes), `\x`, `""`}, {typ(mesh.Bytes), `\x0`, "!hex digits"}, {typ(mesh.Bytes), `00`, "!hex digits"},
		{typ(mesh.String), "a\"\\\n\x01\u2028ü", `"a\"\\\n\u0001\u2028ü"`}, {typ(mesh.String), "\xff", "!UTF-8"},
		{mesh.Type{Kind: mesh.List, Elem: &d2}, "{1}", "!no text form"},
	} {
		avro, err := ParseText([]byte("dst"), c.t, c.text)
		if wantErr, ok := strings.CutPrefix(c.want, "!"); ok {
			if !errors.Is(err, ErrText) || !strings.Contains(err.Error(), wantErr) || string(avro) != "dst" {
				t.Errorf("%q: %q, error %v; want an error with %q and dst as it was", c.text, avro, err, wantErr)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		got, err := AppendJSON(nil, c.t, avro[3:])
		if err != nil || string(got) != c.want || !json.Valid(got) {
			t.Errorf("%q: %s, %v; want %s", c.text, got, err, c.want)
		}
	}
}

// TestErrorsTellNoValue: a value may be personal data (I11).
func TestErrorsTellNoValue(t *testing.T) {
	const secret = "4111-SECRET"
	for _, typ := range kinds() {
		if typ.Kind == mesh.String {
			continue
		}
		if _, err := ParseText(nil, typ, secret); err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%+v: %v", typ, err)
		}
	}
}

// TestDecimalAgainstBig compares the fast ways with math/big.
func TestDecimalAgainstBig(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "magnitude")
		v := new(big.Int).SetBytes(raw)
		if rapid.Bool().Draw(t, "negative") {
			v.Neg(v)
		}
		avro := AppendDecimal(nil, v)
		r := NewReader(avro)
		body := r.Bytes()
		if r.Err() != nil || len(r.Rest()) > 0 || DecimalBig(body).Cmp(v) != 0 || len(shortest(body)) != len(body) {
			t.Fatalf("%s became % x", v, avro)
		}
		if small, ok := DecimalInt64(body); ok != v.IsInt64() || ok && small != v.Int64() {
			t.Fatalf("%s: int64 %d, %v", v, small, ok)
		}
		padded := append(bytes.Repeat([]byte{byte(int8(v.Sign()) >> 7)}, 3), body...)
		scale := rapid.IntRange(0, 38).Draw(t, "scale")
		want := new(big.Rat).SetFrac(v, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)).FloatString(scale)
		for _, b := range [][]byte{body, padded} {
			if got, err := DecimalText(b, scale); err != nil || got != want {
				t.Fatalf("%s with scale %d: %s, %v; want %s", v, scale, got, err, want)
			}
		}
	})
}

// TestRoundTrip: a value's JSON read as a text gives the value again.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		typ := rapid.SampledFrom([]mesh.Type{{Kind: mesh.Int}, {Kind: mesh.Float}, {Kind: mesh.Bool}, {Kind: mesh.Timestamp},
			{Kind: mesh.Date}, {Kind: mesh.String}, decimalType(18, 4), decimalType(38, 12)}).Draw(t, "type")
		avro := drawValue(t, typ)
		shown, err := AppendJSON(nil, typ, avro)
		if err != nil || !json.Valid(shown) {
			t.Fatalf("% x: %s, %v", avro, shown, err)
		}
		text := string(shown)
		if text[0] == '"' {
			if err := json.Unmarshal(shown, &text); err != nil {
				t.Fatal(err)
			}
		}
		again, err := ParseText(nil, typ, text)
		if err != nil || !bytes.Equal(again, avro) {
			t.Fatalf("% x became %s, which became % x, %v", avro, shown, again, err)
		}
	})
}

func drawValue(t *rapid.T, typ mesh.Type) []byte {
	switch typ.Kind {
	case mesh.Float:
		if f := rapid.Float64().Draw(t, "float"); !math.IsNaN(f) {
			return AppendDouble(nil, f)
		}
		return AppendDouble(nil, math.NaN())
	case mesh.Bool:
		return AppendBool(nil, rapid.Bool().Draw(t, "bool"))
	case mesh.Date:
		return AppendLong(nil, int64(rapid.Int32().Draw(t, "date")))
	case mesh.Timestamp:
		const most = math.MaxInt64/1_000_000 - 2
		return AppendLong(nil, rapid.Int64Range(-most, most).Draw(t, "seconds")*1_000_000+rapid.Int64Range(0, 999_999).Draw(t, "micros"))
	case mesh.String:
		return AppendString(nil, rapid.String().Draw(t, "string"))
	case mesh.Decimal:
		most := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(typ.Precision)), nil)
		v := new(big.Int).SetBytes(rapid.SliceOfN(rapid.Byte(), 0, 16).Draw(t, "magnitude"))
		if v.Mod(v, most); rapid.Bool().Draw(t, "negative") {
			v.Neg(v)
		}
		return AppendDecimal(nil, v)
	}
	return AppendLong(nil, rapid.Int64().Draw(t, "long"))
}

// TestTimesAgainstTime compares the formatting with package time where it can write years.
func TestTimesAgainstTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		micros := rapid.Int64Range(-62167219200_000000, 253402300799_999999).Draw(t, "micros")
		want := time.UnixMicro(micros).UTC().Format(time.RFC3339Nano)
		if got := string(appendTimestamp(nil, micros)); got != want {
			t.Fatalf("%d: %s, want %s", micros, got, want)
		}
	})
}

func TestLists(t *testing.T) {
	elem := mesh.Type{Kind: mesh.Int}
	list := mesh.Type{Kind: mesh.List, Elem: &elem}
	// One block of two items, then one with its size in bytes, then the end.
	avro := AppendLong(AppendLong(AppendLong(nil, 2), 1), -2)
	avro = append(AppendLong(AppendLong(AppendLong(avro, -1), 1), 3), 0)
	if got, err := AppendJSON(nil, list, avro); err != nil || string(got) != "[1,-2,3]" {
		t.Errorf("%s, %v", got, err)
	}
	one := append(AppendLong(AppendLong(AppendLong(AppendLong(nil, 3), 1), -2), 3), 0)
	if c := Compare(list, avro, one); c != 0 {
		t.Errorf("the same items in other blocks compare as %d", c)
	}
	if got, err := AppendJSON(nil, list, []byte{0}); err != nil || string(got) != "[]" {
		t.Errorf("empty list: %s, %v", got, err)
	}
	if _, err := AppendJSON(nil, list, append(one, 7)); !errors.Is(err, ErrTrailing) {
		t.Errorf("bytes behind the end: %v", err)
	}
}

func TestLocalizedJSON(t *testing.T) {
	typ := mesh.Type{Kind: mesh.String}
	avro := AppendLocalized(nil, []LocaleValue{{[]byte("en"), AppendString(nil, "Trousers")}, {[]byte("de"), AppendString(nil, "Hose")}})
	if got, err := AppendLocalizedJSON([]byte("x"), typ, avro); err != nil || string(got) != `x{"de":"Hose","en":"Trousers"}` {
		t.Errorf("%s, %v", got, err)
	}
	if got, err := AppendLocalizedJSON([]byte("x"), typ, []byte{2, 4}); !errors.Is(err, ErrShort) || string(got) != "x" {
		t.Errorf("%s, %v", got, err)
	}
}

func TestCompareOrder(t *testing.T) {
	text := func(typ mesh.Type, texts ...string) (out [][]byte) {
		for _, s := range texts {
			v, err := ParseText(nil, typ, s)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, v)
		}
		return out
	}
	enum := mesh.Type{Kind: mesh.Enum, Symbols: []string{"small", "large"}}
	for _, c := range []struct {
		t      mesh.Type
		rising [][]byte
	}{
		{mesh.Type{Kind: mesh.Int}, text(mesh.Type{Kind: mesh.Int}, "-300", "-1", "0", "5", "70")},
		{mesh.Type{Kind: mesh.Float}, text(mesh.Type{Kind: mesh.Float}, "-Infinity", "-1", "0", "2.5", "Infinity", "NaN")},
		{mesh.Type{Kind: mesh.Bool}, text(mesh.Type{Kind: mesh.Bool}, "false", "true")},
		{decimalType(38, 2), text(decimalType(38, 2), "-123456789012345678901234567890", "-92233720368547758.09", "-1", "-0.01", "0", "0.5", "92233720368547758.07", "92233720368547758.08", "123456789012345678901234567890")},
		{mesh.Type{Kind: mesh.String}, text(mesh.Type{Kind: mesh.String}, "", "Z", "a", "ab", "b", "ü")},
		{enum, text(enum, "small", "large")},
		{mesh.Type{Kind: mesh.Timestamp}, text(mesh.Type{Kind: mesh.Timestamp}, "-infinity", "0044-03-15 12:00:00 BC", "1960-01-01 00:00:00", "2026-01-01 00:00:00", "infinity")},
		{mesh.Type{Kind: mesh.List, Elem: &mesh.Type{Kind: mesh.Int}}, [][]byte{{0}, {2, 2, 0}, {4, 2, 4, 0}, {2, 4, 0}, {0x80}}},
	} {
		for i, a := range c.rising {
			for j, b := range c.rising {
				if got, want := sign(Compare(c.t, a, b)), sign(i-j); got != want {
					t.Errorf("%+v: Compare(% x, % x) = %d, want %d", c.t, a, b, got, want)
				}
			}
		}
	}
}

func sign(v int) int { return max(-1, min(1, v)) }

// TestCompareIsAnOrder holds for any bytes, values of the type or not.
func TestCompareIsAnOrder(t *testing.T) {
	all := kinds()
	rapid.Check(t, func(t *rapid.T) {
		typ := rapid.SampledFrom(all).Draw(t, "type")
		draw := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 2, 4, 6, 0x7f, 0x80, 0xff}), 0, 9)
		a, b, c := draw.Draw(t, "a"), draw.Draw(t, "b"), draw.Draw(t, "c")
		ab, bc, ac := sign(Compare(typ, a, b)), sign(Compare(typ, b, c)), sign(Compare(typ, a, c))
		if ab != -sign(Compare(typ, b, a)) || Compare(typ, a, a) != 0 {
			t.Fatalf("not antisymmetric: %d and %d", ab, sign(Compare(typ, b, a)))
		}
		if ab <= 0 && bc <= 0 && ac > 0 || ab == 0 && ac != bc {
			t.Fatalf("not transitive: %d, %d, %d", ab, bc, ac)
		}
	})
}

// FuzzValues: any bytes give JSON or an error, and never touch what stood in dst.
func FuzzValues(f *testing.F) {
	for i := range kinds() {
		f.Add(uint8(i), []byte{2, 2, 0, 0xff}, "2026-01-02 03:04:05.5+01 BC")
		f.Add(uint8(i), []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1}, "-1.5e-3")
		f.Add(uint8(i), []byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, `\xff`)
	}
	f.Fuzz(func(t *testing.T, kind uint8, avro []byte, text string) {
		typ := kinds()[int(kind)%len(kinds())]
		check := func(out []byte, err error) {
			if err != nil && string(out) != "dst" || err == nil && !json.Valid(out[3:]) {
				t.Fatalf("%+v % x: %s, %v", typ, avro, out, err)
			}
		}
		check(AppendJSON([]byte("dst"), typ, avro))
		check(AppendLocalizedJSON([]byte("dst"), typ, avro))
		value, err := ParseText(nil, typ, text)
		if err == nil {
			check(AppendJSON([]byte("dst"), typ, value))
		}
		if a, b := Compare(typ, avro, value), Compare(typ, value, avro); sign(a) != -sign(b) {
			t.Fatalf("Compare is %d one way and %d the other", a, b)
		}
	})
}

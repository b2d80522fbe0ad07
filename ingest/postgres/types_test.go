package postgres

import (
	"context"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tributary/ingest"
)

var seed = flag.Uint64("seed", 0, "seed of random tests; 0 takes the clock")

// random gives a generator whose seed is printed with the command that repeats the run.
func random(t testing.TB) *rand.Rand {
	n := *seed
	if n == 0 {
		n = uint64(time.Now().UnixNano())
	}
	t.Logf("repeat with: go test ./ingest/postgres -run '^%s$' -seed %d", t.Name(), n)
	return rand.New(rand.NewPCG(n, n))
}

// A typeCase is a column type and values of it as SQL literals. decoded turns what a consumer
// reads into the text that the server prints.
type typeCase struct {
	sql     string
	values  []string
	random  func(*rand.Rand) string
	decoded func(v any) string
}

func asText(v any) string { return v.(string) }

// isoBack turns an ISO moment into the server's text.
func isoBack(v any) string {
	s := v.(string)
	if strings.HasSuffix(s, "infinity") {
		return s
	}
	bc := ""
	year, rest, _ := strings.Cut(strings.TrimPrefix(s, "-"), "-")
	if strings.HasPrefix(s, "-") || year == "0000" {
		n, err := strconv.Atoi(year)
		if err != nil {
			return "no year: " + s
		}
		year, bc = fmt.Sprintf("%04d", n+1), " BC"
	}
	rest = strings.Replace(strings.Replace(rest, "T", " ", 1), "Z", "+00", 1)
	return strings.TrimPrefix(year, "+") + "-" + rest + bc
}

func floatBack(bits int) func(any) string {
	return func(v any) string {
		f, ok := v.(float64)
		if !ok {
			f = float64(v.(float32))
		}
		switch {
		case math.IsNaN(f):
			return "NaN"
		case math.IsInf(f, 0):
			return map[bool]string{true: "Infinity", false: "-Infinity"}[f > 0]
		}
		return strconv.FormatFloat(f, 'g', -1, bits)
	}
}

func hexBack(v any) string { return fmt.Sprintf("\\x%x", v) }

func boolBack(v any) string { return map[bool]string{true: "t", false: "f"}[v.(bool)] }

func fmtBack(v any) string { return fmt.Sprint(v) }

// arrayBack writes an array as array_out does, or passes the exact text of odd shapes.
func arrayBack(element func(any) string) func(any) string {
	return func(v any) string {
		if m, ok := v.(map[string]any); ok {
			if s, isText := m["string"]; isText {
				return s.(string)
			}
			v = m["array"]
		}
		if s, ok := v.(string); ok {
			return s
		}
		var parts []string
		for _, e := range v.([]any) {
			if m, ok := e.(map[string]any); ok {
				for _, inner := range m {
					e = inner
				}
			}
			if e == nil {
				parts = append(parts, "NULL")
				continue
			}
			text := element(e)
			if text == "" || strings.EqualFold(text, "NULL") || strings.ContainsAny(text, "\"\\{}, \t\n\r\v\f") {
				text = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
			}
			parts = append(parts, text)
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
}

// oddText has what copy, arrays and Avro could stumble over.
func oddText(r *rand.Rand) string {
	letters := []string{"a", "Z", "ß", "€", "😀", "\\", "\"", "'", "\t", "\n", "\r", "\b", "\f", "\v", ",", "{", "}", " ", "NULL", "\\N", "\\.", "null", "\x01", ""}
	var b strings.Builder
	for range r.IntN(12) {
		b.WriteString(letters[r.IntN(len(letters))])
	}
	return literal(b.String())
}

// literal is a string as an SQL literal.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func randomMoment(r *rand.Rand) string {
	years := []string{"2026", "0001", "1582", "1969", "9999", "10000", "29427", "4713", "0044"}
	fraction := []string{"", ".1", ".12", ".000001", ".999999", ".5"}[r.IntN(6)]
	bc := ""
	year := years[r.IntN(len(years))]
	if year <= "4" && len(year) == 4 && r.IntN(2) == 0 {
		bc = " BC"
	}
	return fmt.Sprintf("'%s-%02d-%02d %02d:%02d:%02d%s%s'", year, 1+r.IntN(12), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60), fraction, bc)
}

func typeCases() []typeCase {
	n := func(f string, args func(*rand.Rand) []any) func(*rand.Rand) string {
		return func(r *rand.Rand) string { return fmt.Sprintf(f, args(r)...) }
	}
	return []typeCase{
		{"bool", []string{"true", "false"}, nil, boolBack},
		{"int2", []string{"-32768", "32767", "0"}, nil, fmtBack},
		{"int4", []string{"-2147483648", "2147483647"}, n("%d", func(r *rand.Rand) []any { return []any{int32(r.Uint32())} }), fmtBack},
		{"int8", []string{"-9223372036854775808", "9223372036854775807"}, n("%d", func(r *rand.Rand) []any { return []any{r.Int64()} }), fmtBack},
		{"oid", []string{"4294967295", "0"}, nil, fmtBack},
		{"float4", []string{"'NaN'", "'Infinity'", "'-Infinity'", "1e-45", "3.4028235e38", "0.1", "-0"}, nil, floatBack(32)},
		{"float8", []string{"'NaN'", "'Infinity'", "'-Infinity'", "5e-324", "1.7976931348623157e308", "0.1"}, n("%v", func(r *rand.Rand) []any { return []any{r.NormFloat64()} }), floatBack(64)},
		{"numeric", []string{"'NaN'", "'Infinity'", "1.500", "-0.00001", "123456789012345678901234567890.123456789"}, nil, asText},
		{"numeric(12,2)", []string{"'NaN'", "9999999999.99", "0", "-1.5"}, nil, asText},
		{"text", []string{"''", `'\N'`, `'\\.'`}, oddText, asText},
		{"varchar(40)", []string{"'a  '"}, nil, asText},
		{"char(5)", []string{"'ab'"}, nil, asText},
		{`"char"`, []string{"'x'"}, nil, asText},
		{"citext", []string{"'MiXed'"}, nil, asText},
		{"name", []string{"'pg_class'"}, nil, asText},
		{"uuid", []string{"'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"}, nil, asText},
		{"json", []string{`'{"b": 1,  "a": [null, "\t"]}'`}, nil, asText},
		{"jsonb", []string{`'{"b": 1.50, "a": [null, "\\ \" x"]}'`}, nil, asText},
		{"bytea", []string{`'\x'`, `'\x00ff5c'`}, n(`'\x%08x'`, func(r *rand.Rand) []any { return []any{r.Uint32()} }), hexBack},
		{"mood", []string{"'sad'", "'very, happy'"}, nil, asText},
		{"positive", []string{"7"}, nil, fmtBack},
		{"timestamptz", []string{"'infinity'", "'-infinity'", "'0044-03-15 12:00:00+01 BC'", "'0001-12-31 00:00:00+00 BC'", "'294276-12-31 23:59:59.999999+00'", "'4713-01-01 00:00:00+00 BC'"}, randomMoment, isoBack},
		{"timestamptz(3)", []string{"'2026-11-23 07:49:21.1239+00'"}, nil, isoBack},
		{"timestamp", []string{"'infinity'", "'-infinity'", "'294276-12-31 23:59:59.999999'", "'4713-01-01 00:00:00 BC'"}, randomMoment, isoBack},
		{"date", []string{"'infinity'", "'-infinity'", "'5874897-12-31'", "'4713-01-01 BC'", "'0001-01-01 BC'"}, randomMoment, isoBack},
		{"time", []string{"'00:00'", "'24:00:00'", "'23:59:59.999999'"}, nil, asText},
		{"timetz", []string{"'04:05:06.789-08'"}, nil, asText},
		{"interval", []string{"'1 year 2 mons -3 days 04:05:06.7'", "'-1 day'"}, nil, asText},
		{"inet", []string{"'10.0.0.1/8'", "'::1'"}, nil, asText},
		{"bit(3)", []string{"B'101'"}, nil, asText},
		{"point", []string{"'(1.5,-2)'"}, nil, asText},
		{"int4range", []string{"'[1,5)'", "'empty'"}, nil, asText},
		{"xml", []string{"'<a b=\"c\">d</a>'"}, nil, asText},
		{"pair", []string{"ROW(1, 'a \"quoted\" \\ one')"}, nil, asText},
		{"money", []string{"12.5"}, nil, asText},
		{"int2vector", []string{"'1 2 3'"}, nil, asText},
		{"int4[]", []string{"'{}'", "'{1,NULL,-3}'", "'{{1,2},{3,4}}'", "'[0:1]={5,6}'"}, nil, arrayBack(fmtBack)},
		{"numeric(6,2)[]", []string{"'{1.5,NaN}'"}, nil, arrayBack(asText)},
		{"text[]", []string{`'{"",NULL,"NULL","a\"b\\c",null,"x,y","{z}"}'`}, func(r *rand.Rand) string { return "ARRAY[" + oddText(r) + "," + oddText(r) + ",NULL]::text[]" }, arrayBack(asText)},
		{"bytea[]", []string{`ARRAY['\x00ff'::bytea, '\x', NULL]`}, nil, arrayBack(hexBack)},
		{"bool[]", []string{"'{t,f,NULL}'"}, nil, arrayBack(boolBack)},
		{"float8[]", []string{"'{NaN,Infinity,0.1}'"}, nil, arrayBack(floatBack(64))},
		{"timestamptz[]", []string{"'{infinity,\"2026-11-23 07:49:21.5+00\",\"0044-03-15 00:00:00+00 BC\"}'"}, nil, arrayBack(isoBack)},
		{"date[]", []string{"'{2026-11-23,NULL}'"}, nil, arrayBack(isoBack)},
		{"mood[]", []string{"'{sad,\"very, happy\"}'"}, nil, arrayBack(asText)},
		{"jsonb[]", []string{`ARRAY['{"a": "b,c"}'::jsonb]`}, nil, arrayBack(asText)},
		{"pair[]", []string{`ARRAY[ROW(1, 'x "y"')::pair]`}, nil, arrayBack(asText)},
		{"box[]", []string{"'{(1,1),(0,0);(2,2),(1,1)}'"}, nil, asText},
	}
}

const typeSetup = `
	CREATE EXTENSION citext;
	CREATE TYPE mood AS ENUM ('sad', 'very, happy');
	CREATE DOMAIN positive AS int4 CHECK (VALUE > 0);
	CREATE TYPE pair AS (a int, b text);`

// TestTypes writes every type once before the snapshot and once behind it, and compares both
// with each other and with what the server prints. The database's own settings are bad on
// purpose: sessions must pin theirs.
func TestTypes(t *testing.T) {
	t.Parallel()
	r := random(t)
	cases := typeCases()
	if serverVersion(t) < 14 { // numeric has no infinity there
		cases = slices.DeleteFunc(cases, func(c typeCase) bool { return c.sql == "numeric" })
	}
	var columns, streams []string
	columns = append(columns, "id int PRIMARY KEY")
	for i, c := range cases {
		columns = append(columns, fmt.Sprintf("c%d %s", i, c.sql))
	}
	streams = append(streams, "all=everything")
	f := newFixture(t, typeSetup+"CREATE TABLE everything ("+strings.Join(columns, ", ")+")", streams...)
	f.exec(`DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET DateStyle = ''SQL, DMY''', current_database());
		EXECUTE format('ALTER DATABASE %I SET TimeZone = ''Asia/Kolkata''', current_database());
		EXECUTE format('ALTER DATABASE %I SET IntervalStyle = ''iso_8601''', current_database());
		EXECUTE format('ALTER DATABASE %I SET bytea_output = ''escape''', current_database());
		EXECUTE format('ALTER DATABASE %I SET extra_float_digits = 0', current_database()); END $$`)
	rows := typeRows(cases, r)
	insert := func(from int) {
		for i, row := range rows {
			f.exec(fmt.Sprintf("INSERT INTO everything VALUES (%d, %s)", from+i, strings.Join(row, ", ")))
		}
	}
	insert(0)
	rec := newRecorder()
	f.stream(f.first(rec), rec)
	insert(len(rows))
	changes := rec.untilChanges(t, 2*len(rows))
	f.exec(`SET DateStyle = ISO; SET TimeZone = 'UTC'; SET IntervalStyle = postgres; SET bytea_output = hex; SET extra_float_digits = 3`)
	for i := range rows {
		compareRow(t, f, rec, cases, i, changes[i], changes[i+len(rows)])
	}
}

// typeRows mixes the listed values, random ones and nulls.
func typeRows(cases []typeCase, r *rand.Rand) [][]string {
	rows := make([][]string, 24)
	for n := range rows {
		for _, c := range cases {
			v := "NULL"
			switch {
			case n < len(c.values):
				v = c.values[n]
			case c.random != nil && n < len(rows)-1:
				v = c.random(r)
			}
			rows[n] = append(rows[n], v)
		}
	}
	return rows
}

func compareRow(t *testing.T, f *fixture, rec *recorder, cases []typeCase, id int, snapshot, streamed ingest.Change) {
	t.Helper()
	after := func(c ingest.Change) map[string]any {
		return flat(rec.decode(t, c.Value)["after"]).(map[string]any)
	}
	a, b := after(snapshot), after(streamed)
	for i, c := range cases {
		name := fmt.Sprintf("c%d", i)
		var printed *string
		if err := f.conn.QueryRow(context.Background(), fmt.Sprintf("SELECT CASE WHEN %s IS NOT NULL THEN format('%%s', %s) END FROM everything WHERE id = $1", name, name), id).Scan(&printed); err != nil {
			t.Fatal(err)
		}
		if x, y := fmt.Sprint(a[name]), fmt.Sprint(b[name]); x != y {
			t.Errorf("%s, row %d: snapshot %q, stream %q", c.sql, id, x, y)
		}
		if printed == nil {
			if a[name] != nil {
				t.Errorf("%s, row %d: %v, want null", c.sql, id, a[name])
			}
			continue
		}
		want := *printed
		if strings.HasPrefix(c.sql, "float") && c.sql != "float8[]" {
			want = normalFloat(want)
		}
		if a[name] == nil {
			t.Errorf("%s, row %d: null, want %q", c.sql, id, want)
		} else if got := c.decoded(branch(a[name])); got != want {
			t.Errorf("%s, row %d: %q, the server prints %q", c.sql, id, got, want)
		}
	}
}

// branch takes away the name that hamba puts around a value of a union of named types.
func branch(v any) any {
	if m, ok := v.(map[string]any); ok && len(m) == 1 {
		for k, x := range m {
			if k != "array" && k != "string" {
				return x
			}
		}
	}
	return v
}

// normalFloat prints a float as strconv does.
func normalFloat(s string) string {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return s
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

package expr_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"tributary/mesh/expr"
)

// columns are those of the test rows; row gives values for them.
func columns() []expr.Column {
	return []expr.Column{
		{"matnr", expr.Text}, {"lvorm", expr.Text}, {"netpr", expr.Numeric}, {"on_hand", expr.Int}, {"active", expr.Bool},
		{"weight", expr.Float}, {"updated_at", expr.Time}, {"tags", expr.ListOf(expr.Text)}, {"Odd x", expr.Text}, {"raw", expr.Bytes},
		{"locale", expr.Text}, {"title", expr.Text}, {"prices", expr.ListOf(expr.Numeric)},
	}
}

func row(changes ...any) []any {
	r := []any{"M-1", "", "12.340", int64(5), true, 1.5, "2026-01-31T10:20:30.123456Z", []any{"a", "b"}, "odd", []byte{1, 2}, "de", "Zelt", []any{"1.5", "2.5"}}
	for i := 0; i+1 < len(changes); i += 2 {
		for j, c := range columns() {
			if c.Name == changes[i] {
				r[j] = changes[i+1]
			}
		}
	}
	return r
}

func compile(t *testing.T, src string, want expr.Want) *expr.Program {
	t.Helper()
	p, err := expr.Compile(src, columns(), want)
	if err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	return p
}

func TestEval(t *testing.T) {
	when := time.Date(2026, 1, 31, 10, 20, 30, 123456000, time.UTC)
	for _, c := range []struct {
		src  string
		want expr.Want
		row  []any
		out  any
	}{
		{`row.matnr`, expr.Key, row(), "M-1"},
		{`row.matnr`, expr.Key, row("matnr", nil), nil},
		{`row.on_hand`, expr.Key, row(), int64(5)},
		{`row.netpr`, expr.Value, row(), "12.340"}, // all digits
		{`row["Odd x"]`, expr.Value, row(), "odd"},
		{`row["Odd x"] + "!"`, expr.Value, row(), "odd!"},
		{`row.matnr + "-" + row.locale`, expr.Key, row(), "M-1-de"},
		{`row.lvorm == ""`, expr.Cond, row(), true},
		{`row.lvorm == ""`, expr.Cond, row("lvorm", nil), false},
		{`"X" != row.lvorm`, expr.Cond, row("lvorm", "X"), false},
		{`row.lvorm != "X"`, expr.Cond, row("lvorm", nil), true},
		{`row.lvorm == null || row.lvorm == ""`, expr.Cond, row("lvorm", nil), true},
		{`coalesce(row.lvorm, "") == ""`, expr.Cond, row("lvorm", nil), true},
		{`has(row.lvorm)`, expr.Cond, row("lvorm", nil), false},
		{`has(row.tags) && "a" in row.tags`, expr.Cond, row(), true},
		{`has(row.tags) && "a" in row.tags`, expr.Cond, row("tags", nil), false},
		{`row.tags.exists(x, x.startsWith("b"))`, expr.Cond, row(), true},
		{`row.active`, expr.Cond, row(), true},
		{`row.active == true`, expr.Cond, row("active", nil), false},
		{`!row.active`, expr.Cond, row(), false},
		{`row.netpr > 12`, expr.Cond, row(), true},
		{`row.netpr == 12.34`, expr.Cond, row(), true},
		{`row.netpr * 2`, expr.Value, row(), 24.68},
		{`1 - row.weight`, expr.Value, row(), -0.5},
		{`coalesce(row.netpr, 0)`, expr.Value, row("netpr", nil), 0.0},
		{`row.netpr == null ? 0 : row.netpr`, expr.Value, row("netpr", nil), 0.0},
		{`row.on_hand + 1`, expr.Value, row(), int64(6)},
		{`row.on_hand > 0 ? row.matnr : null`, expr.Value, row("on_hand", int64(0)), nil},
		{`row.prices.map(p, p * 2.0)`, expr.Value, row(), []any{3.0, 5.0}},
		{`row.tags`, expr.Value, row("tags", nil), nil},
		{`row.raw`, expr.Value, row(), []byte{1, 2}},
		{`bytes(row.matnr)`, expr.Value, row(), []byte("M-1")},
		{`row.matnr.split("-")[1]`, expr.Value, row(), "1"},
		{`row.matnr.lowerAscii().trim()`, expr.Value, row(), "m-1"},
		{`"constant"`, expr.Value, row(), "constant"},
		{`null`, expr.Value, row(), nil},
		{`row.updated_at`, expr.At, row(), when},
		{`row.updated_at`, expr.At, row("updated_at", nil), nil},
		{`row.updated_at`, expr.At, row("updated_at", when), when},
		{`row.updated_at`, expr.Value, row(), "2026-01-31T10:20:30.123456Z"},
		{`row.updated_at + duration("1h")`, expr.At, row(), when.Add(time.Hour)},
		{`timestamp(row.on_hand)`, expr.At, row(), time.Unix(5, 0).UTC()},
		{`row.updated_at.getFullYear()`, expr.Value, row(), int64(2026)},
		{`{row.locale: row.title}`, expr.LocalizedValue, row(), map[string]any{"de": "Zelt"}},
		{`{row.locale: row.netpr}`, expr.LocalizedValue, row(), map[string]any{"de": "12.340"}},
		{`{row["locale"]: row.title}`, expr.LocalizedValue, row("title", nil), map[string]any{"de": nil}},
		{`{"de": row.title, "en": row.matnr}`, expr.LocalizedValue, row(), map[string]any{"de": "Zelt", "en": "M-1"}},
		{`{row.locale.upperAscii(): row.title}`, expr.LocalizedValue, row(), map[string]any{"DE": "Zelt"}},
		{`row.active ? {"de": row.title} : {"en": row.title}`, expr.LocalizedValue, row(), map[string]any{"de": "Zelt"}},
	} {
		got, err := compile(t, c.src, c.want).Eval(c.row)
		if err != nil || !reflect.DeepEqual(got, c.out) {
			t.Errorf("%s = %#v, %v; want %#v", c.src, got, err, c.out)
		}
	}
}

func TestEvalErrors(t *testing.T) {
	const secret = "hunter2"
	for _, c := range []struct {
		src   string
		want  expr.Want
		row   []any
		names string
	}{
		{`row.active`, expr.Cond, row("active", nil), "null"},
		{`row.active ? row.active : null`, expr.Cond, row("active", nil), ""},
		{`row.lvorm + "x" == "x"`, expr.Cond, row("lvorm", nil), "met null"},
		{`row.netpr > 1`, expr.Cond, row("netpr", secret), "netpr"},
		{`row.updated_at`, expr.At, row("updated_at", secret), "time"},
		{`row.updated_at.getFullYear() > 1`, expr.Cond, row("updated_at", "infinity"), "updated_at"},
		{`{row.locale: row.title}`, expr.LocalizedValue, row("locale", nil), "locale"},
		{`{coalesce(row.locale, row.locale): row.title}`, expr.LocalizedValue, row("locale", nil), ""},
		{`row.on_hand + 1`, expr.Value, row("on_hand", secret), "on_hand"},
		{`row.on_hand / 0`, expr.Value, row(), "zero"},
		{`int(row.matnr)`, expr.Value, row("matnr", secret), ""},
		{`row.matnr.split("-")[7]`, expr.Value, row(), ""},
		{`timestamp(row.matnr)`, expr.At, row("matnr", secret), ""},
		{`row.matnr.charAt(900)`, expr.Value, row("matnr", secret), ""},
	} {
		_, err := compile(t, c.src, c.want).Eval(c.row)
		if err == nil || !strings.Contains(err.Error(), c.names) {
			t.Errorf("%s: error %v, want one with %q", c.src, err, c.names)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error holds a value: %v", c.src, err) // I11
		}
	}
	if _, err := compile(t, `row.matnr`, expr.Key).Eval(nil); err == nil {
		t.Error("a short row gave no error")
	}
}

func TestCompileErrors(t *testing.T) {
	for _, c := range []struct {
		src  string
		want expr.Want
		err  string
	}{
		{`row.netp`, expr.Value, `1:1: the row has no column "netp": did you mean row.netpr?`},
		{`row["odd x"]`, expr.Value, `1:1: the row has no column "odd x": did you mean row["Odd x"]?`},
		{`1 + row.nix`, expr.Value, `1:5: the row has no column "nix": it has matnr, lvorm`},
		{`has(row.nix)`, expr.Cond, `1:5: the row has no column "nix"`},
		{`row`, expr.Value, `1:1: row alone is no value: name a column`},
		{`row[row.matnr]`, expr.Value, `1:1: row alone is no value`},
		{`matnr`, expr.Value, `1:1: unknown name "matnr": write row.matnr`},
		{`lower(row.matnr)`, expr.Value, `unknown name "lower"`},
		{`value > 5`, expr.Cond, `1:1: unknown name "value"`},
		{`row.matnr + 1`, expr.Value, `1:11: + does not take (string, int)`},
		{`row.matnr.size() > "a"`, expr.Cond, `1:18: > does not take (int, string)`},
		{`row.on_hand == "5"`, expr.Cond, `1:13: == does not take (int, string)`},
		{`row.matnr == 5`, expr.Cond, `1:11: == does not take (string, int)`},
		{`row.updated_at > "2026-01-01"`, expr.Cond, `convert with timestamp(`},
		{`row.tags == null`, expr.Cond, `use has() for a list`},
		{`row.matnr`, expr.Cond, `1:1: a condition must give true or false, found text: compare it, as in row.matnr == …`},
		{`row.on_hand + 1`, expr.Cond, `1:1: a condition must give true or false, found int`},
		{`row.matnr`, expr.At, `1:1: a time is needed, found text: convert with timestamp(row.matnr)`},
		{`row.weight`, expr.Key, `1:1: a key must be text or int, found float`},
		{`row.netpr + 1.0`, expr.Key, `a key must be text or int, found float`},
		{`row.title`, expr.LocalizedValue, `a localized field takes a map of locale to value`},
		{`{1: row.title}`, expr.LocalizedValue, `a locale must be text, found int`},
		{`{row.on_hand: row.title}`, expr.LocalizedValue, `a locale must be text, found int`},
		{`{row.locale: row.title}`, expr.Value, `the expression gives map(`},
		{`duration("1h")`, expr.Value, `the expression gives duration`},
		{`[[1]]`, expr.Value, `which no field holds`},
		{`type(row.matnr)`, expr.Value, `which no field holds`},
		{`[1].map(row, row.matnr)`, expr.Value, `row cannot be the name of a macro's variable`},
		{`row.matnr = "x"`, expr.Cond, `1:11: = is no operator of CEL: compare with ==`},
		{`row.matnr ==`, expr.Cond, `1:13: the expression ends too early`},
		{"row.matnr ==\n  row.nix", expr.Cond, `2:3: the row has no column "nix"`},
		{``, expr.Value, `1:1: `},
		{strings.Repeat("(", 5000), expr.Value, `1:`},
		{strings.Repeat("x", 20000), expr.Value, `longer than`},
	} {
		_, err := expr.Compile(c.src, columns(), c.want)
		var errs expr.Errors
		if !errors.As(err, &errs) || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%.60s: error %v, want %s", c.src, err, c.err)
		}
	}
}

func TestFormsWithoutCEL(t *testing.T) {
	if i, ok := compile(t, `row.netpr`, expr.Value).Column(); !ok || i != 2 {
		t.Errorf("row.netpr: column %d %v", i, ok)
	}
	if i, ok := compile(t, ` row["Odd x"] `, expr.Key).Column(); !ok || i != 8 {
		t.Errorf("row[…]: column %d %v", i, ok)
	}
	if k, v, ok := compile(t, `{row.locale: row["title"]}`, expr.LocalizedValue).ColumnPair(); !ok || k != 10 || v != 11 {
		t.Errorf("pair: %d %d %v", k, v, ok)
	}
	if c, text, negated, ok := compile(t, `"X" != row.lvorm`, expr.Cond).EqualsConst(); !ok || c != 1 || text != "X" || !negated {
		t.Errorf("equals: %d %q %v %v", c, text, negated, ok)
	}
	for _, src := range []string{`row.netpr + 0`, `has(row.netpr)`, `(row.active) ? "a" : "b"`} {
		if _, ok := compile(t, src, expr.Value).Column(); ok {
			t.Errorf("%s is no plain column", src)
		}
	}
	p := compile(t, `row.title + row["locale"] + row.title`, expr.Value)
	if got := p.Columns(); !reflect.DeepEqual(got, []int{10, 11}) {
		t.Errorf("columns: %v", got)
	}
	if got := compile(t, `has(row.tags) && row.lvorm == ""`, expr.Cond).Columns(); !reflect.DeepEqual(got, []int{1, 7}) {
		t.Errorf("columns: %v", got)
	}
}

// The forms that pass by CEL must mean what CEL means.
func TestFormsAgreeWithCEL(t *testing.T) {
	for plain, cel := range map[string]string{
		`row.lvorm == "X"`: `(row.lvorm == "X") && true`,
		`"X" != row.lvorm`: `("X" != row.lvorm) && true`,
		`row.active`:       `row.active && true`,
	} {
		a, b := compile(t, plain, expr.Cond), compile(t, cel, expr.Cond)
		for _, v := range []any{nil, "", "X", "x"} {
			r := row("lvorm", v)
			got, _ := a.Eval(r)
			want, err := b.Eval(r)
			if got != want {
				t.Errorf("%s with %v = %v, CEL says %v, %v", plain, v, got, want, err)
			}
		}
	}
}

func TestCompileValidate(t *testing.T) {
	for _, c := range []struct {
		src   string
		typ   expr.ColumnType
		value any
		want  bool
	}{
		{`value > 0`, expr.Numeric, "0.01", true},
		{`value >= 0 && value < 100`, expr.Numeric, "100", false},
		{`value != 0`, expr.Float, 0.0, false},
		{`value.matches("^[A-Z]+-[0-9]+$")`, expr.Text, "SKU-1", true},
		{`size(value) < 2`, expr.ListOf(expr.Int), []any{int64(1), int64(2)}, false},
		{`value < timestamp("2030-01-01T00:00:00Z")`, expr.Time, time.Unix(0, 0), true},
		{`value`, expr.Bool, true, true},
	} {
		p, err := expr.CompileValidate(c.src, c.typ)
		if err != nil {
			t.Errorf("%s: %v", c.src, err)
			continue
		}
		if got, err := p.Bool([]any{c.value}); err != nil || got != c.want {
			t.Errorf("%s of %v = %v, %v", c.src, c.value, got, err)
		}
	}
	if p, err := expr.CompileValidate(`value > 0`, expr.Numeric); err == nil {
		if _, err = p.Bool([]any{"no number"}); err == nil {
			t.Error("no error for what is no number")
		}
	}
}

// An expression whose work grows with its row is cut off.
func TestCostIsBounded(t *testing.T) {
	many := make([]any, 2000)
	for i := range many {
		many[i] = "x"
	}
	p := compile(t, `row.tags.all(a, row.tags.all(b, row.tags.all(c, a == b && b == c)))`, expr.Cond)
	if _, err := p.Eval(row("tags", many)); err == nil || !strings.Contains(err.Error(), "cost") {
		t.Errorf("error %v", err)
	}
}

func TestParse(t *testing.T) {
	for src, want := range map[string]expr.Form{
		`row.x`: expr.FormColumn, `row["x y"]`: expr.FormColumn, `"x"`: expr.FormLiteral, `{row.a: row.b}`: expr.FormMap, `row.x + 1`: expr.FormOther, `has(row.x)`: expr.FormOther,
	} {
		if got, err := expr.Parse(src); err != nil || got != want {
			t.Errorf("%s: %v %v", src, got, err)
		}
	}
}

func TestParseTime(t *testing.T) {
	for src, want := range map[string]string{
		"2026-01-31T10:20:30.123456789Z": "2026-01-31T10:20:30.123456789Z", "2026-01-31T10:20:30+02:00": "2026-01-31T08:20:30Z",
		"2026-01-31T10:20:30.5": "2026-01-31T10:20:30.5Z", "2026-01-31 10:20:30": "2026-01-31T10:20:30Z", "2026-01-31": "2026-01-31T00:00:00Z",
	} {
		got, err := expr.ParseTime(src)
		if err != nil || got.Format(time.RFC3339Nano) != want {
			t.Errorf("%s: %v %v", src, got, err)
		}
	}
	for _, src := range []string{"", "infinity", "0044-03-15 BC", "10000-01-01", "yesterday"} {
		if got, err := expr.ParseTime(src); err == nil {
			t.Errorf("%s: %v", src, got)
		}
	}
}

func FuzzCompile(f *testing.F) {
	for _, src := range []string{`row.netpr * 2`, `{row.locale: row.title}`, `row["Odd x"] == "a"`, `row.tags.exists(x, x == "a")`, `coalesce(row.lvorm, "")`, `[1][0] / 0`} {
		f.Add(src, uint8(expr.Value))
	}
	f.Fuzz(func(t *testing.T, src string, want uint8) {
		w := expr.Want(want%uint8(expr.LocalizedValue)) + 1
		p, err := expr.Compile(src, columns(), w)
		if err != nil {
			return
		}
		for _, r := range [][]any{row(), make([]any, len(columns()))} {
			_, _ = p.Eval(r) // any outcome but a panic
		}
	})
}

func BenchmarkEval(b *testing.B) {
	for name, src := range map[string]string{"column": `row.active`, "equals": `row.lvorm == ""`, "cel": `row.lvorm == "" && row.on_hand > 0`} {
		p, err := expr.Compile(src, columns(), expr.Cond)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			r := row()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Bool(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

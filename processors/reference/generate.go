package reference

import (
	"fmt"
	"math"
	"strings"

	"pgregory.net/rapid"
	"tributary/mesh"
)

// A Column of every stream that Cases draws: its name, and its Avro type without null. All may
// be null but those that make keys and locales: id, ref, number and locale.
type Column struct{ Name, Avro string }

// Columns gives the columns of every stream. Their primary key is id.
func Columns() []Column {
	return []Column{{"id", `"long"`}, {"ref", `"string"`}, {"number", `"long"`}, {"locale", `"string"`}, {"flag", `"string"`},
		{"at", `{"type":"long","connect.name":"io.debezium.time.MicroTimestamp"}`}, {"text", `"string"`}, {"note", `"string"`},
		{"big", `"long"`}, {"small", `"long"`}, {"float", `"double"`}, {"amount", `{"type":"string","tributary.type":"numeric"}`}, {"bool", `"boolean"`}}
}

// A Case is a random manifest's entity and a random history of its streams.
type Case struct {
	Entity  *mesh.Entity
	History []Change
}

// GoString shows the case to whoever must understand a failure.
func (c Case) GoString() string {
	var b strings.Builder
	for _, f := range c.Entity.Fields {
		fmt.Fprintf(&b, "\n  field %s: %s localized=%t required=%t %s%v group=%q", f.Name, f.Type, f.Localized, f.Required, f.Rule.Name, f.Rule.From, f.Group)
	}
	for _, bl := range c.Entity.Contributions {
		fmt.Fprintf(&b, "\n  block %s: key=%s when=%q at=%q", bl.Name, bl.Key, bl.When, bl.At)
		for _, a := range bl.Set {
			fmt.Fprintf(&b, " %s=%s", a.Field, a.Expr)
		}
	}
	for _, h := range c.History {
		fmt.Fprintf(&b, "\n  %s/%s position %d, commit %d: %v", h.Stream, h.Key, h.Position, h.CommitTime, h.Row)
	}
	return b.String()
}

// Cases draws entities with 1 to 8 fields of all types and rules over 1 to 4 streams of 1 to 3
// systems, and histories in which few rows fight over few entities: updates, deletes, rows that
// move to another entity, equal times, nulls, sums that overflow.
func Cases() *rapid.Generator[Case] {
	return rapid.Custom(func(t *rapid.T) Case {
		streams := drawStreams(t)
		e := &mesh.Entity{Name: "thing", Key: "key"}
		keyType := rapid.SampledFrom([]mesh.Kind{mesh.String, mesh.Int}).Draw(t, "key type")
		e.Fields = append(e.Fields, &mesh.Field{Name: "key", Type: mesh.Type{Kind: keyType}, Required: true, Rule: mesh.Rule{Name: mesh.Only}})
		for i := range rapid.IntRange(1, 8).Draw(t, "fields") {
			e.Fields = append(e.Fields, drawField(t, fmt.Sprintf("f%d", i), streams))
		}
		drawGroups(t, e.Fields[1:])
		for _, s := range streams {
			for i := range rapid.IntRange(1, 2).Draw(t, "blocks") {
				e.Contributions = append(e.Contributions, drawBlock(t, e, s, i, keyType))
			}
		}
		return Case{e, drawHistory(t, streams)}
	})
}

func drawStreams(t *rapid.T) []*mesh.Stream {
	systems := []*mesh.System{{Name: "crm"}, {Name: "erp"}, {Name: "pim"}}
	var out []*mesh.Stream
	for i := range rapid.IntRange(1, 4).Draw(t, "streams") {
		out = append(out, &mesh.Stream{System: rapid.SampledFrom(systems).Draw(t, "system"), Name: fmt.Sprintf("t%d", i)})
	}
	return out
}

func drawField(t *rapid.T, name string, streams []*mesh.Stream) *mesh.Field {
	f := &mesh.Field{Name: name, Required: rapid.IntRange(0, 4).Draw(t, "required") == 0}
	choosing := []mesh.RuleName{mesh.Only, mesh.Owner, mesh.Priority, mesh.MostRecent}
	ordering := append(choosing, mesh.Min, mesh.Max)
	rules := ordering
	f.Type.Kind = rapid.SampledFrom([]mesh.Kind{mesh.String, mesh.Int, mesh.Float, mesh.Decimal, mesh.Bool}).Draw(t, "type")
	switch f.Type.Kind {
	case mesh.String:
		if f.Localized = rapid.Bool().Draw(t, "localized"); f.Localized {
			rules = choosing
		}
	case mesh.Int:
		rules = append(ordering, mesh.Sum, mesh.Count)
	case mesh.Float:
		rules = append(ordering, mesh.Sum)
	case mesh.Decimal:
		f.Type.Precision, f.Type.Scale = 6, 2
		rules = append(ordering, mesh.Sum)
	case mesh.Bool:
		rules = choosing
	}
	f.Rule.Name = rapid.SampledFrom(rules).Draw(t, "rule")
	f.Rule.From = drawFrom(t, f.Rule.Name, streams)
	return f
}

// drawFrom draws names of systems and streams; one for owner, at least one for priority.
func drawFrom(t *rapid.T, rule mesh.RuleName, streams []*mesh.Stream) []string {
	var names []string
	for _, s := range streams {
		names = append(names, s.ID(), s.System.Name)
	}
	least, most := 0, 3
	switch rule {
	case mesh.Only:
		return nil
	case mesh.Owner:
		least, most = 1, 1
	case mesh.Priority:
		least = 1
	}
	return rapid.SliceOfNDistinct(rapid.SampledFrom(names), least, min(most, len(streams)), rapid.ID).Draw(t, "from")
}

// drawGroups makes some fields follow another one, before or behind them. Fields that count take
// no part: what they are set from need not fit another rule.
func drawGroups(t *rapid.T, fields []*mesh.Field) {
	lead := rapid.SampledFrom(fields).Draw(t, "lead")
	for _, f := range fields {
		if f != lead && f.Rule.Name != mesh.Count && lead.Rule.Name != mesh.Count && rapid.IntRange(0, 2).Draw(t, "follows") == 0 {
			f.Group, f.Rule = lead.Name, lead.Rule
		}
	}
}

func drawBlock(t *rapid.T, e *mesh.Entity, s *mesh.Stream, i int, key mesh.Kind) *mesh.Block {
	b := &mesh.Block{From: s, Name: s.ID()}
	if i > 0 {
		b.Name += "#2"
	}
	keys := []string{"row.id", "row.ref"}
	if key == mesh.Int {
		keys = []string{"row.id", "row.number"}
	}
	b.Key = rapid.SampledFrom(keys).Draw(t, "key")
	b.When = rapid.SampledFrom([]string{"", "", "row.flag == 'x'", "row.flag != 'x'"}).Draw(t, "when")
	b.At = rapid.SampledFrom([]string{"", "row.at"}).Draw(t, "at")
	for _, f := range e.Fields[1:] {
		if rapid.IntRange(0, 3).Draw(t, "sets") > 0 {
			b.Set = append(b.Set, mesh.Assignment{Field: f.Name, Expr: drawExpr(t, f)})
		}
	}
	return b
}

func drawExpr(t *rapid.T, f *mesh.Field) string {
	columns := map[mesh.Kind][]string{mesh.String: {"text", "note", "small"}, mesh.Int: {"big", "small"},
		mesh.Float: {"float", "small", "amount"}, mesh.Decimal: {"amount", "small"}, mesh.Bool: {"bool"}}[f.Type.Kind]
	switch {
	case f.Rule.Name == mesh.Count:
		columns = []string{"text", "small", "amount"}
	case f.Localized:
		return "{row.locale: row." + rapid.SampledFrom([]string{"text", "note"}).Draw(t, "column") + "}"
	}
	return "row." + rapid.SampledFrom(columns).Draw(t, "column")
}

func drawHistory(t *rapid.T, streams []*mesh.Stream) []Change {
	var out []Change
	for i := range rapid.IntRange(1, 30).Draw(t, "changes") {
		id := rapid.Int64Range(1, 3).Draw(t, "row")
		c := Change{Stream: rapid.SampledFrom(streams).Draw(t, "stream").ID(), Key: fmt.Sprint(id), Position: i + 1,
			CommitTime: int64(100 + i/3)}
		if rapid.IntRange(0, 5).Draw(t, "delete") > 0 {
			c.Row = drawRow(t, id)
		}
		out = append(out, c)
	}
	return out
}

func drawRow(t *rapid.T, id int64) Row {
	pick := func(name string, values ...any) any { return rapid.SampledFrom(values).Draw(t, name) }
	return Row{
		"id": id, "ref": pick("ref", "A", "B", "1"), "number": pick("number", int64(1), int64(2), int64(7)),
		"locale": pick("locale", "de", "en"), "flag": pick("flag", nil, "", "x"), "at": pick("at", nil, int64(99), int64(105)),
		"text": pick("text", nil, "", "a", "ä"), "note": pick("note", nil, "a", "b"),
		"big":    pick("big", nil, int64(0), int64(-3), int64(math.MaxInt64), int64(math.MinInt64)),
		"small":  pick("small", nil, int64(1), int64(2)),
		"float":  pick("float", nil, 0.0, math.Copysign(0, -1), 0.25, -1.5, 1.7e308, -1.7e308, math.NaN(), math.Inf(1), math.Inf(-1)),
		"amount": pick("amount", nil, "1.5", "1.50", "-2.25", "9999.99"),
		"bool":   pick("bool", nil, true, false),
	}
}

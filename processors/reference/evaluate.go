// Package reference is a second account of what views must be, for tests. In goes an entity and
// the whole history of its streams as plain Go values, out come its views with winners and
// conflicts. It is slow and simple and shares no code with normalize and resolve, so that what
// both say is right by two ways (I2). Its generators draw random manifests and histories.
package reference

import (
	"cmp"
	"slices"
	"strings"

	"tributary/mesh"
)

// A Row is a source row by column: nil, string, int64, float64 or bool. Decimals are strings,
// times are int64 in µs since 1970.
type Row map[string]any

// A Change is one change of one row of a stream.
type Change struct {
	Stream     string // "<system>.<stream>"
	Key        string // of the row
	Row        Row    // the whole row after the change; nil: it was deleted
	Position   int    // rises within the stream
	CommitTime int64  // µs since 1970
}

// A View is what one entity must be.
type View struct {
	Complete bool             // the key and every required field have values
	Fields   map[string]Field // by name; of localized fields by name/locale
}

// A Field is one field's value, and who had a say.
type Field struct {
	Value    any    // nil, string, int64, float64, bool or *big.Rat
	Winner   string // stream/block/key of the row that won; "" for none
	Losers   []string
	Inputs   int // of an aggregate
	Conflict bool
}

// Evaluate gives the views of all entities that exist after the history, by id. The order of
// the history does not matter: a row is what its highest position says.
func Evaluate(e *mesh.Entity, history []Change) map[string]View {
	newest := map[[2]string]Change{}
	for _, c := range history {
		at := [2]string{c.Stream, c.Key}
		if have, ok := newest[at]; !ok || c.Position > have.Position {
			newest[at] = c
		}
	}
	byID := map[string][]contribution{}
	for _, c := range newest {
		for _, b := range e.Contributions {
			if b.From.ID() != c.Stream || c.Row == nil {
				continue
			}
			if con, id, live := contribute(e, b, c); live {
				byID[id] = append(byID[id], con)
			}
		}
	}
	views := map[string]View{}
	for id, cons := range byID {
		views[id] = resolve(e, id, cons)
	}
	return views
}

// A contribution is what one row says. A field that the block sets is in fields, with nil for
// null; of a localized field fields holds name/locale.
type contribution struct {
	system, stream, block, key string
	time                       int64
	fields                     map[string]any
}

func (c *contribution) name() string { return c.stream + "/" + c.block + "/" + c.key }

func contribute(e *mesh.Entity, b *mesh.Block, c Change) (con contribution, id string, live bool) {
	if b.When != "" && evaluate(b.When, c.Row) != true {
		return con, "", false
	}
	con = contribution{system: b.From.System.Name, stream: c.Stream, block: b.Name, key: c.Key, time: c.CommitTime, fields: map[string]any{}}
	if at, ok := evaluate(b.At, c.Row).(int64); ok && b.At != "" {
		con.time = at
	}
	for _, a := range b.Set {
		f := e.Field(a.Field)
		if !f.Localized {
			con.fields[a.Field] = convert(f, evaluate(a.Expr, c.Row))
			continue
		}
		locale, text := pair(a.Expr)
		if v := evaluate(text, c.Row); v != nil {
			con.fields[a.Field+"/"+evaluate(locale, c.Row).(string)] = v
		}
	}
	return con, plain(evaluate(b.Key, c.Row)), true
}

// resolve makes one view. Leads of groups come before their members.
func resolve(e *mesh.Entity, id string, cons []contribution) View {
	slices.SortFunc(cons, func(a, b contribution) int {
		return cmp.Or(cmp.Compare(a.stream, b.stream), cmp.Compare(a.block, b.block), cmp.Compare(a.key, b.key))
	})
	v := View{Complete: true, Fields: map[string]Field{}}
	for _, members := range []bool{false, true} {
		for _, f := range e.Fields {
			if f.Name == e.Key || (f.Group != "") != members {
				continue
			}
			for _, slot := range slots(f, cons) {
				v.Fields[slot] = choose(e, f, slot, cons, v.Fields)
			}
		}
	}
	v.Fields[e.Key] = Field{Value: idValue(e, id), Winner: cons[0].name()}
	for _, f := range e.Fields {
		if f.Required && !hasValue(f, v.Fields) {
			v.Complete = false
		}
	}
	return v
}

// slots gives what of a field is resolved by itself: the field, or each of its locales.
func slots(f *mesh.Field, cons []contribution) []string {
	if !f.Localized {
		return []string{f.Name}
	}
	var out []string
	for i := range cons {
		for slot := range cons[i].fields {
			if strings.HasPrefix(slot, f.Name+"/") && takesPart(f.Rule, &cons[i]) && !slices.Contains(out, slot) {
				out = append(out, slot)
			}
		}
	}
	return out
}

func hasValue(f *mesh.Field, fields map[string]Field) bool {
	for slot, got := range fields {
		if name, _, _ := strings.Cut(slot, "/"); name == f.Name && got.Value != nil {
			return true
		}
	}
	return false
}

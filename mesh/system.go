package mesh

import (
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

// postgres is the kind of a system that is a PostgreSQL database.
const postgres = "postgres"

// Kinds lists the kinds of systems that there are: the one place where a new kind is named.
func Kinds() []string { return []string{postgres} }

// schemesOf lists the URL schemes by which a kind of system is connected to.
func schemesOf(kind string) []string {
	switch kind {
	case postgres:
		return postgresSchemes()
	}
	return nil
}

func postgresSchemes() []string { return []string{"postgres://", "postgresql://"} }

// A systemDraft is a system with what was written about it.
type systemDraft struct {
	*System
	object
	streams []streamDraft
}

// A streamDraft is a stream with what was written about it.
type streamDraft struct {
	*Stream
	object
	key *yaml.Node // its name
}

func (d *draft) system(r *reader, n *yaml.Node) {
	o := r.object(n, systemShape())
	s := &System{Name: o.name("system", "system"), Kind: o.choice("kind", Kinds()), Owner: o.text("owner"), Pos: r.pos(o.at("system"))}
	if schemes := schemesOf(s.Kind); schemes != nil {
		s.Connection = o.address("connection", nil, schemes)
	} else if o.has("connection") && hasLiteralPassword(o.text("connection")) {
		r.literalSecret(o.values["connection"], "connection holds a password")
	}
	sd := systemDraft{System: s, object: o}
	tables := map[[2]string]string{}
	for _, e := range o.entries("streams", "stream") {
		so := r.object(e.value, streamShape())
		st := &Stream{System: s, Name: e.key.Value, Table: so.text("table"), Before: so.flag("before"), Pos: r.pos(e.key)}
		sd.streams = append(sd.streams, streamDraft{st, so, e.key})
		s.Streams = append(s.Streams, st)
		checkTable(so, st, tables)
	}
	if o.has("streams") && len(sd.streams) == 0 && o.values["streams"].Kind == yaml.MappingNode {
		r.fault(o.at("streams"), "the system has no stream", "name a table: streams: { product: { table: public.product } }")
	}
	d.systems = append(d.systems, sd)
}

// checkTable holds a stream's table against SQL's rules and against the system's other tables.
func checkTable(o object, st *Stream, tables map[[2]string]string) {
	if st.Table == "" {
		return
	}
	schema, table, err := ParseTable(st.Table)
	if err != nil {
		o.r.fault(o.at("table"), err.Error(), "")
		return
	}
	id := [2]string{schema, table}
	if other, ok := tables[id]; ok {
		o.r.fault(o.at("table"), fmt.Sprintf("streams %s and %s capture the same table", other, st.Name), "one stream serves every entity: use "+other)
		return
	}
	tables[id] = st.Name
}

// ParseTable splits an SQL name of a table into schema and table as the database knows them:
// names without quotes are folded to small letters, and the schema is public where none stands.
func ParseTable(s string) (schema, table string, err error) {
	var parts []string
	for rest := strings.TrimSpace(s); ; {
		part, after, ok := sqlIdentifier(rest)
		if !ok {
			return "", "", fmt.Errorf(`table %q is no SQL name: write public.material or "Odd Schema"."T"`, clip(s))
		}
		parts = append(parts, part)
		if after == "" {
			break
		}
		rest = after[1:]
	}
	switch len(parts) {
	case 1:
		return "public", parts[0], nil
	case 2:
		return parts[0], parts[1], nil
	}
	return "", "", fmt.Errorf("table %q has %d parts: write schema.table; the database stands in connection", clip(s), len(parts))
}

// sqlIdentifier takes one identifier from s; what is left is empty or begins with a point.
func sqlIdentifier(s string) (name, rest string, ok bool) {
	if quoted, is := strings.CutPrefix(s, `"`); is {
		for {
			part, after, found := strings.Cut(quoted, `"`)
			if !found {
				return "", "", false
			}
			name += part
			if quoted, is = strings.CutPrefix(after, `"`); !is {
				return name, after, name != "" && !strings.ContainsRune(name, 0) && (after == "" || after[0] == '.')
			}
			name += `"`
		}
	}
	end := strings.IndexByte(s, '.')
	if end < 0 {
		end = len(s)
	}
	for i, c := range s[:end] {
		if c != '_' && c < 0x80 && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(i > 0 && (c >= '0' && c <= '9' || c == '$')) {
			return "", "", false
		}
	}
	return foldASCII(s[:end]), s[end:], end > 0
}

// foldASCII makes A to Z small, as Postgres does with names that have no quotes.
func foldASCII(s string) string {
	return strings.Map(func(c rune) rune {
		if c >= 'A' && c <= 'Z' {
			return c + 'a' - 'A'
		}
		return c
	}, s)
}

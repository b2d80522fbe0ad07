package postgres

import (
	"fmt"
	"hash/fnv"
	"strings"
)

// maxIdentifier is the longest name that Postgres keeps whole.
const maxIdentifier = 63

// objectName is the name of a system's slot and publication: tributary_<mesh>_<system> in the
// letters that a slot may have. Where that changes or cuts the names, a hash of them is put
// behind, so that two systems never share a slot.
func objectName(mesh, system string) string {
	plain := "tributary_" + mesh + "_" + system
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return '_'
	}, strings.ToLower(plain))
	if clean == plain && len(plain) <= maxIdentifier {
		return plain
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(mesh + "\x00" + system))
	suffix := fmt.Sprintf("_%08x", h.Sum32())
	return clean[:min(len(clean), maxIdentifier-len(suffix))] + suffix
}

// quote makes an SQL identifier.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// qualified is schema.table as SQL.
func qualified(schema, table string) string { return quote(schema) + "." + quote(table) }

// avroNames gives each column name an Avro name. Names that are Avro names keep them; the others
// are changed to fit, with a number where that name is taken.
func avroNames(columns []string) []string {
	taken := make(map[string]bool, len(columns))
	for _, c := range columns {
		if avroName(c) == c {
			taken[c] = true
		}
	}
	out := make([]string, len(columns))
	for i, c := range columns {
		name := avroName(c)
		if name != c {
			base := name
			for n := 2; taken[name]; n++ {
				name = fmt.Sprintf("%s_%d", base, n)
			}
			taken[name] = true
		}
		out[i] = name
	}
	return out
}

// avroName replaces what an Avro name may not hold: [A-Za-z_][A-Za-z0-9_]*.
func avroName(s string) string {
	var b strings.Builder
	for i, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_'
		digit := r >= '0' && r <= '9'
		if digit && i == 0 {
			b.WriteByte('_')
		}
		if letter || digit {
			b.WriteRune(r)
		} else {
			b.WriteByte('_')
		}
	}
	return b.String()
}

// avroNamespace makes a topic's name a valid Avro namespace, part by part.
func avroNamespace(topic string) string {
	parts := strings.Split(topic, ".")
	for i, p := range parts {
		parts[i] = avroName(p)
	}
	return strings.Join(parts, ".")
}

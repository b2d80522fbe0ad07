package mesh

import (
	"fmt"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxName bounds the length of a name, so that three of them fit into a topic's 249 characters
// and one into an SQL identifier's 63 bytes.
const maxName = 60

var (
	// namePattern is what is valid at once in topic names, in Avro, GraphQL and SQL.
	namePattern = regexp.MustCompile(`^[a-z][a-zA-Z0-9_]*$`)
	// blockPattern also allows the default names: erp.material, erp.material#2.
	blockPattern = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9_.#-]*$`)
	// generationSuffix is what topics of later generations end in, but for '.' instead of '_'.
	generationSuffix = regexp.MustCompile(`_g[0-9]+$`)
)

// reservedEntities would clash with types of the GraphQL schema.
func reservedEntities() []string {
	return []string{"query", "mutation", "subscription", "string", "int", "float", "boolean", "id", "node", "pageinfo"}
}

// checkName holds a name against the rule; what says whose name it is.
func (r *reader) checkName(n *yaml.Node, what, name string) {
	if name == "" {
		return
	}
	var why string
	switch {
	case len(name) > maxName:
		why = fmt.Sprintf("is longer than %d characters", maxName)
	case !namePattern.MatchString(name):
		why = "must begin with a small letter and hold only letters, digits and _"
	case generationSuffix.MatchString(name):
		why = "must not end in _g and a number: such topics belong to generations"
	default:
		return
	}
	suggestion := ""
	if fixed := asName(name); fixed != "" && fixed != name {
		suggestion = fmt.Sprintf("write %q", fixed)
	}
	r.fault(n, fmt.Sprintf("%s %q %s", what, clip(name), why), suggestion)
}

// name reads the name behind a key and holds it against the rule.
func (o object) name(key, what string) string {
	name := o.text(key)
	if name != "" {
		o.r.checkName(o.values[key], what, name)
	}
	return name
}

// asName makes a valid name of a text, or gives "".
func asName(s string) string {
	var b strings.Builder
	for _, c := range s {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_':
			b.WriteRune(c)
		case c == '-', c == '.', c == ' ':
			b.WriteByte('_')
		}
	}
	name := strings.TrimLeft(b.String(), "_0123456789")
	name = generationSuffix.ReplaceAllString(name, "")
	if name == "" || len(name) > maxName {
		return ""
	}
	return strings.ToLower(name[:1]) + name[1:]
}

// pluralOf gives the English plural of a name, for the regular cases.
func pluralOf(name string) string {
	ends := func(suffixes ...string) bool {
		for _, s := range suffixes {
			if strings.HasSuffix(name, s) {
				return true
			}
		}
		return false
	}
	switch {
	case ends("ay", "ey", "iy", "oy", "uy"):
		return name + "s"
	case ends("y"):
		return name[:len(name)-1] + "ies"
	case ends("s", "x", "z", "ch", "sh"):
		return name + "es"
	}
	return name + "s"
}

// folded is a name as case-blind and underscore-blind readers see it: SQLite's columns, and
// generated type names in PascalCase.
func folded(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "")) }

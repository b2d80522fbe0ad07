package mesh

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"tributary/mesh/expr"
)

// A reader walks the nodes of one file and collects what is wrong with them.
type reader struct {
	*collector
	file string
	env  func(string) (string, bool)
}

func (r *reader) pos(n *yaml.Node) Pos { return Pos{r.file, n.Line, n.Column} }

func (r *reader) fault(n *yaml.Node, what, suggestion string) { r.add(r.pos(n), what, suggestion) }

// An object is a mapping whose keys were held against a shape.
type object struct {
	r      *reader
	node   *yaml.Node
	shape  shape
	keys   map[string]*yaml.Node
	values map[string]*yaml.Node
}

// An entry is a key of a mapping with its value.
type entry struct{ key, value *yaml.Node }

// pairs gives the entries of a mapping, each key once; what is no mapping is a fault.
func (r *reader) pairs(n *yaml.Node, what string) []entry {
	if n.Kind != yaml.MappingNode {
		r.fault(n, what+" must be a mapping, found "+describe(n), "write key: value")
		return nil
	}
	var out []entry
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		switch first := seen[k.Value]; {
		case k.Kind != yaml.ScalarNode:
			r.fault(k, "a key must be text, found "+describe(k), "write key: value")
		case k.Tag == "!!merge" || v.Kind == yaml.AliasNode:
			r.fault(k, "YAML aliases are not part of the manifest", "write the value out")
		case first != nil:
			r.fault(k, fmt.Sprintf("%q stands twice", k.Value), fmt.Sprintf("it stands in line %d already", first.Line))
		default:
			seen[k.Value] = k
			out = append(out, entry{k, v})
		}
	}
	return out
}

// object reads a mapping of a shape: unknown keys and missing ones are faults.
func (r *reader) object(n *yaml.Node, s shape) object {
	o := object{r: r, node: n, shape: s, keys: map[string]*yaml.Node{}, values: map[string]*yaml.Node{}}
	if n.Kind != yaml.MappingNode {
		r.fault(n, s.name+" must be a mapping, found "+describe(n), "give "+strings.Join(s.names(), ", "))
		return o
	}
	names, meant := s.names(), map[string]bool{}
	for _, e := range r.pairs(n, s.name) {
		if !slices.Contains(names, e.key.Value) {
			meant[r.unknown(e.key, s)] = true
			continue
		}
		o.keys[e.key.Value] = e.key
		if e.value.Tag != "!!null" {
			o.values[e.key.Value] = e.value
		}
	}
	for _, k := range s.keys {
		switch {
		case !k.required || o.has(k.name) || meant[k.name]:
		case o.keys[k.name] != nil:
			r.fault(o.keys[k.name], k.name+" has no value", k.doc)
		default:
			r.fault(n, s.name+" needs "+k.name, k.doc)
		}
	}
	return o
}

// unknown reports a key that the shape does not list, and gives the one that was meant, or "".
func (r *reader) unknown(k *yaml.Node, s shape) string {
	what := fmt.Sprintf("unknown field %q", clip(k.Value))
	best := expr.Nearest(k.Value, s.names())
	if best == "" {
		r.fault(k, what, s.name+" has "+strings.Join(s.names(), ", "))
		return ""
	}
	r.fault(k, what, fmt.Sprintf("did you mean %q?", best))
	return best
}

// has says whether a key has a value.
func (o object) has(name string) bool { return o.values[name] != nil }

// at gives the place of a key's value, or of the object where it has none.
func (o object) at(name string) *yaml.Node {
	if n := o.values[name]; n != nil {
		return n
	}
	return o.node
}

// text gives a key's text, "" where it has none or is no text.
func (o object) text(name string) string {
	if !o.has(name) {
		return ""
	}
	return o.r.text(o.values[name], name)
}

func (r *reader) text(n *yaml.Node, what string) string {
	switch {
	case n.Kind != yaml.ScalarNode:
		r.fault(n, what+" must be text, found "+describe(n), "")
	case n.Tag != "!!str" && n.Tag != "!!timestamp":
		r.fault(n, what+" must be text, found "+describe(n), "put it in quotes")
	case strings.TrimSpace(n.Value) == "":
		r.fault(n, what+" is empty", "")
	default:
		return n.Value
	}
	return ""
}

// flag gives a key's truth value, false where it has none.
func (o object) flag(name string) bool {
	n := o.values[name]
	if n == nil {
		return false
	}
	var v bool
	if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" || n.Decode(&v) != nil {
		o.r.fault(n, name+" must be true or false, found "+describe(n), "")
	}
	return v
}

// number gives a key's whole number, 0 where it has none; it must lie in from…to.
func (o object) number(name string, from, to int) int {
	n := o.values[name]
	if n == nil {
		return 0
	}
	v := 0
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" || n.Decode(&v) != nil || v < from || v > to {
		o.r.fault(n, fmt.Sprintf("%s must be a whole number from %d to %d, found %s", name, from, to, describe(n)), "")
		return 0
	}
	return v
}

// duration gives a key's duration, 0 where it has none.
func (o object) duration(name string) time.Duration {
	n := o.values[name]
	if n == nil {
		return 0
	}
	d, err := ParseDuration(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil {
		o.r.fault(n, name+" must be a duration above zero, found "+describe(n), "write it like 500ms, 10s, 5m, 1h30m or 7d")
		return 0
	}
	return d
}

// choice gives a key's text, which must be one of the values.
func (o object) choice(name string, values []string) string {
	v := o.text(name)
	if v == "" || slices.Contains(values, v) {
		return v
	}
	o.r.fault(o.values[name], fmt.Sprintf("unknown %s %q", name, clip(v)), oneOf(v, values))
	return ""
}

// object reads the object behind a key; without a value it is empty.
func (o object) object(name string, s shape) object {
	if n := o.values[name]; n != nil {
		return o.r.object(n, s)
	}
	return object{r: o.r, node: o.node, shape: s}
}

// items gives the nodes of the list behind a key.
func (o object) items(name string) []*yaml.Node {
	n := o.values[name]
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		o.r.fault(n, name+" must be a list, found "+describe(n), "write [a, b], or lines that begin with a dash")
		return nil
	}
	var out []*yaml.Node
	for _, item := range n.Content {
		if item.Kind == yaml.AliasNode {
			o.r.fault(item, "YAML aliases are not part of the manifest", "write the value out")
			continue
		}
		out = append(out, item)
	}
	return out
}

// entries gives what stands in the mapping behind a key, by names that must follow the rule.
func (o object) entries(name, each string) []entry {
	n := o.values[name]
	if n == nil {
		return nil
	}
	all := o.r.pairs(n, name)
	for _, e := range all {
		o.r.checkName(e.key, each, e.key.Value)
	}
	return all
}

// expression gives the text of an expression behind a key and where the text begins.
func (o object) expression(name string) (string, Pos) {
	n := o.values[name]
	if n == nil {
		return "", Pos{}
	}
	return o.r.expression(n, name)
}

func (r *reader) expression(n *yaml.Node, what string) (string, Pos) {
	switch {
	case n.Kind == yaml.MappingNode && n.Style&yaml.FlowStyle != 0:
		r.fault(n, what+" must be an expression, found "+describe(n), `put it in quotes: "{row.locale: row.title}"`)
	case n.Kind != yaml.ScalarNode:
		r.fault(n, what+" must be an expression, found "+describe(n), "write it like row.price, in quotes where YAML needs them")
	case n.Tag == "!!null" || strings.TrimSpace(n.Value) == "":
		r.fault(n, what+" is empty", "write an expression like row.price")
	default:
		return n.Value, r.textPos(n)
	}
	return "", Pos{}
}

// textPos is where a scalar's text begins: behind its quote, or on the line below its mark.
func (r *reader) textPos(n *yaml.Node) Pos {
	p := r.pos(n)
	switch {
	case n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		p.Column++
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 && p.Line < len(r.lines[r.file]):
		line := r.lines[r.file][p.Line]
		p.Line, p.Column = p.Line+1, 1+len(line)-len(strings.TrimLeft(line, " "))
	}
	return p
}

// describe says what a node is, without a value that might be a secret.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	switch n.Tag {
	case "!!null":
		return "nothing"
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	case "!!str", "!!timestamp":
		return "text"
	}
	return "a value with the tag " + clip(n.Tag)
}

// clip bounds what a fault repeats of the manifest's text.
func clip(s string) string {
	if r := []rune(s); len(r) > maxName {
		return string(r[:maxName]) + "…"
	}
	return s
}

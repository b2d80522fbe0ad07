package avrocompat

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hamba/avro/v2"
)

// maxMismatches is about how many mismatches one comparison reports, maxNamed how many symbols
// or union branches one message lists: a reader of messages needs no more.
const (
	maxMismatches = 50
	maxNamed      = 8
)

// A Mismatch is one reason why a reader cannot read a writer's data.
type Mismatch struct {
	Path   string // e.g. "Product.prices[].amount"; [] is an array's item, {} a map's value
	Reason string
}

// String is "path: reason".
func (m Mismatch) String() string {
	if m.Path == "" {
		return m.Reason
	}
	return strings.TrimPrefix(m.Path, ".") + ": " + m.Reason
}

// Check says why data written with writer cannot always be read with reader; nil if it can.
// Source: Avro 1.12 specification, Schema Resolution.
func Check(reader, writer avro.Schema) []Mismatch {
	c := checker{verdicts: map[pair][]Mismatch{}}
	return under(nameOf(deref(reader)), c.check(reader, writer))
}

// A checker compares two schemas. Recursive types make the comparison coinductive: a pair of
// records that is being compared counts as fitting until it is shown not to fit.
type checker struct {
	verdicts map[pair][]Mismatch // nil: fits, as far as is known
	trail    []pair              // pairs that fit, in the order in which they were met
}

type pair struct{ reader, writer avro.Schema }

func (c *checker) check(reader, writer avro.Schema) []Mismatch {
	reader, writer = deref(reader), deref(writer)
	if w, ok := writer.(*avro.UnionSchema); ok {
		var out []Mismatch
		for _, branch := range w.Types() {
			if out = append(out, c.check(reader, branch)...); len(out) >= maxMismatches {
				break
			}
		}
		return out
	}
	if r, ok := reader.(*avro.UnionSchema); ok {
		return c.intoUnion(r, writer)
	}
	if reader.Type() != writer.Type() {
		if !promotes(writer.Type(), reader.Type()) {
			return mismatch("the writer's %s cannot be read as %s", describe(writer), describe(reader))
		}
		return logical(reader, writer)
	}
	switch r := reader.(type) {
	case *avro.ArraySchema:
		return under("[]", c.check(r.Items(), writer.(*avro.ArraySchema).Items()))
	case *avro.MapSchema:
		return under("{}", c.check(r.Values(), writer.(*avro.MapSchema).Values()))
	case *avro.FixedSchema:
		return fixed(r, writer.(*avro.FixedSchema))
	case *avro.EnumSchema:
		return enum(r, writer.(*avro.EnumSchema))
	case *avro.RecordSchema:
		return c.record(r, writer.(*avro.RecordSchema))
	}
	return logical(reader, writer)
}

// intoUnion wants one branch of the reader that reads the writer's type. Where none does, but
// one has the writer's name or type, that branch's own mismatches say the most.
func (c *checker) intoUnion(reader *avro.UnionSchema, writer avro.Schema) []Mismatch {
	var nearest []Mismatch
	for _, branch := range reader.Types() {
		branch = deref(branch)
		ms := c.check(branch, writer)
		if ms == nil {
			return nil
		}
		if nearest == nil && branch.Type() == writer.Type() && sameName(branch, writer) {
			nearest = ms
		}
	}
	if nearest != nil {
		return nearest
	}
	return mismatch("the writer's %s matches no branch of the reader's %s", describe(writer), describe(reader))
}

func (c *checker) record(reader, writer *avro.RecordSchema) []Mismatch {
	key := pair{reader, writer}
	if ms, ok := c.verdicts[key]; ok {
		return ms
	}
	mark := len(c.trail)
	c.verdicts[key], c.trail = nil, append(c.trail, key)
	ms := c.fields(reader, writer)
	if ms == nil {
		return nil
	}
	// What was found to fit since may rest on the assumption that this pair fits: forget it.
	for _, p := range c.trail[mark:] {
		delete(c.verdicts, p)
	}
	c.trail, c.verdicts[key] = c.trail[:mark], ms
	return ms
}

func (c *checker) fields(reader, writer *avro.RecordSchema) []Mismatch {
	if !sameName(reader, writer) {
		return misnamed(reader, writer)
	}
	written := make(map[string]*avro.Field, len(writer.Fields()))
	for _, f := range writer.Fields() {
		written[f.Name()] = f
	}
	var out []Mismatch
	for _, f := range reader.Fields() {
		w := written[f.Name()]
		for i := 0; w == nil && i < len(f.Aliases()); i++ {
			w = written[f.Aliases()[i]]
		}
		switch {
		case w != nil:
			out = append(out, under("."+f.Name(), c.check(f.Type(), w.Type()))...)
		case !f.HasDefault():
			out = append(out, under("."+f.Name(), mismatch("the writer does not have this field and the reader has no default for it"))...)
		}
		if len(out) >= maxMismatches {
			break
		}
	}
	return out
}

func enum(reader, writer *avro.EnumSchema) []Mismatch {
	if !sameName(reader, writer) {
		return misnamed(reader, writer)
	}
	if reader.HasDefault() {
		return nil
	}
	known := make(map[string]bool, len(reader.Symbols()))
	for _, s := range reader.Symbols() {
		known[s] = true
	}
	missing := slices.DeleteFunc(slices.Clone(writer.Symbols()), func(s string) bool { return known[s] })
	if len(missing) == 0 {
		return nil
	}
	if len(missing) > maxNamed {
		missing = append(missing[:maxNamed], "…")
	}
	return mismatch("the reader's enum lacks the writer's symbols %s and has no default", strings.Join(missing, ", "))
}

func fixed(reader, writer *avro.FixedSchema) []Mismatch {
	if !sameName(reader, writer) {
		return misnamed(reader, writer)
	}
	if reader.Size() != writer.Size() {
		return mismatch("the writer's fixed has %d bytes, the reader's %d", writer.Size(), reader.Size())
	}
	return logical(reader, writer)
}

// logical compares logical types. One that only one side has counts as the underlying type.
func logical(reader, writer avro.Schema) []Mismatch {
	r, w := logicalOf(reader), logicalOf(writer)
	if r == nil || w == nil {
		return nil
	}
	if r.Type() != w.Type() {
		return mismatch("the writer's %s cannot be read as %s", w.Type(), r.Type())
	}
	rd, ok := r.(*avro.DecimalLogicalSchema)
	if !ok {
		return nil
	}
	wd := w.(*avro.DecimalLogicalSchema)
	if rd.Scale() != wd.Scale() || rd.Precision() < wd.Precision() {
		return mismatch("the writer's decimal(%d,%d) does not fit the reader's decimal(%d,%d)",
			wd.Precision(), wd.Scale(), rd.Precision(), rd.Scale())
	}
	return nil
}

func logicalOf(s avro.Schema) avro.LogicalSchema {
	if l, ok := s.(avro.LogicalTypeSchema); ok {
		return l.Logical()
	}
	return nil
}

func promotes(from, to avro.Type) bool {
	switch from {
	case avro.Int:
		return to == avro.Long || to == avro.Float || to == avro.Double
	case avro.Long:
		return to == avro.Float || to == avro.Double
	case avro.Float:
		return to == avro.Double
	case avro.String:
		return to == avro.Bytes
	case avro.Bytes:
		return to == avro.String
	}
	return false
}

// sameName compares names without their namespaces, or finds the writer's among the reader's
// aliases. Types without names have the same one.
func sameName(reader, writer avro.Schema) bool {
	r, ok := reader.(avro.NamedSchema)
	if !ok {
		return true
	}
	w := writer.(avro.NamedSchema)
	return r.Name() == w.Name() || slices.Contains(r.Aliases(), w.FullName())
}

func misnamed(reader, writer avro.NamedSchema) []Mismatch {
	return mismatch("the writer's %s is named %s, the reader's %s, which has no such alias", writer.Type(), writer.FullName(), reader.FullName())
}

func deref(s avro.Schema) avro.Schema {
	if ref, ok := s.(*avro.RefSchema); ok {
		return ref.Schema()
	}
	return s
}

func describe(s avro.Schema) string {
	switch t := s.(type) {
	case avro.NamedSchema:
		return string(t.Type()) + " " + t.FullName()
	case *avro.UnionSchema:
		var parts []string
		for i, b := range t.Types() {
			if i == maxNamed {
				parts = append(parts, "…")
				break
			}
			parts = append(parts, describe(deref(b)))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return string(s.Type())
}

func nameOf(s avro.Schema) string {
	if n, ok := s.(avro.NamedSchema); ok {
		return n.Name()
	}
	return ""
}

func mismatch(format string, args ...any) []Mismatch {
	return []Mismatch{{Reason: fmt.Sprintf(format, args...)}}
}

// under puts a step in front of the paths. Verdicts are shared, so it copies.
func under(step string, ms []Mismatch) []Mismatch {
	if ms == nil {
		return nil
	}
	out := make([]Mismatch, len(ms))
	for i, m := range ms {
		out[i] = Mismatch{Path: step + m.Path, Reason: m.Reason}
	}
	return out
}

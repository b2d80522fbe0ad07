package normalize

import (
	"fmt"

	"github.com/hamba/avro/v2"
)

type wireKind uint8

const (
	wireNull wireKind = iota
	wireBool
	wireInt // int and long: both are zigzag varints
	wireFloat
	wireDouble
	wireBytes
	wireString
	wireFixed
	wireEnum
	wireArray
	wireMap
	wireRecord
	wireUnion
)

// A wireType is an Avro type compiled for reading: its shape and its semantic name.
type wireType struct {
	kind     wireKind
	means    meaning
	semantic string // connect.name, else the logicalType, else ""
	// sourceType is the property tributary.type: the source's own type, "" where it is not named.
	sourceType string
	size       int // fixed
	scale      int // decimal
	symbols    []string
	elem       *wireType   // array items, map values
	fields     []wireField // record
	branches   []*wireType // union
}

type wireField struct {
	name string
	t    *wireType
}

// maxDepth bounds the nesting of a schema; a recursive one ends here.
const maxDepth = 32

func compileType(s avro.Schema, depth int) (*wireType, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("the schema is nested more than %d levels deep, or is recursive", maxDepth)
	}
	if ref, ok := s.(*avro.RefSchema); ok {
		s = ref.Schema()
	}
	t := &wireType{semantic: semanticOf(s), sourceType: typeProperty(s, "tributary.type")}
	var err error
	switch s := s.(type) {
	case *avro.NullSchema:
	case *avro.PrimitiveSchema:
		t.kind = primitiveKind(s.Type())
		t.scale = scaleOf(s.Logical())
	case *avro.FixedSchema:
		t.kind, t.size = wireFixed, s.Size()
		t.scale = scaleOf(s.Logical())
	case *avro.EnumSchema:
		t.kind, t.symbols = wireEnum, s.Symbols()
	case *avro.ArraySchema:
		t.kind = wireArray
		t.elem, err = compileItems(s.Items(), depth)
	case *avro.MapSchema:
		t.kind = wireMap
		t.elem, err = compileType(s.Values(), depth+1)
	case *avro.RecordSchema:
		t.kind = wireRecord
		err = t.compileFields(s.Fields(), depth)
	case *avro.UnionSchema:
		t.kind = wireUnion
		err = t.compileBranches(s.Types(), depth)
	default:
		err = fmt.Errorf("type %s of Avro is not known", s.Type())
	}
	return t, err
}

// compileItems refuses items without bytes: their count would not be bounded by the body.
func compileItems(s avro.Schema, depth int) (*wireType, error) {
	t, err := compileType(s, depth+1)
	if err == nil && t.minSize() == 0 {
		err = fmt.Errorf("an array of %s holds nothing", s.Type())
	}
	return t, err
}

func (t *wireType) compileFields(fields []*avro.Field, depth int) error {
	for _, f := range fields {
		ft, err := compileType(f.Type(), depth+1)
		if err != nil {
			return fmt.Errorf("field %s: %w", f.Name(), err)
		}
		t.fields = append(t.fields, wireField{f.Name(), ft})
	}
	return nil
}

func (t *wireType) compileBranches(types avro.Schemas, depth int) error {
	for _, b := range types {
		bt, err := compileType(b, depth+1)
		if err != nil {
			return err
		}
		t.branches = append(t.branches, bt)
	}
	return nil
}

func primitiveKind(t avro.Type) wireKind {
	switch t {
	case avro.Boolean:
		return wireBool
	case avro.Int, avro.Long:
		return wireInt
	case avro.Float:
		return wireFloat
	case avro.Double:
		return wireDouble
	case avro.Bytes:
		return wireBytes
	}
	return wireString
}

// semanticOf names what a type means: Connect's name where there is one (it is finer), else
// Avro's logical type.
func semanticOf(s avro.Schema) string {
	if name := typeProperty(s, "connect.name"); name != "" {
		return name
	}
	if l, ok := s.(avro.LogicalTypeSchema); ok && l.Logical() != nil {
		return string(l.Logical().Type())
	}
	return ""
}

func typeProperty(s avro.Schema, name string) string {
	if p, ok := s.(avro.PropertySchema); ok {
		text, _ := p.Prop(name).(string)
		return text
	}
	return ""
}

func scaleOf(l avro.LogicalSchema) int {
	if d, ok := l.(*avro.DecimalLogicalSchema); ok {
		return d.Scale()
	}
	return 0
}

func (t *wireType) minSize() int {
	switch t.kind {
	case wireNull:
		return 0
	case wireFixed:
		return t.size
	case wireRecord:
		n := 0
		for _, f := range t.fields {
			n += f.t.minSize()
		}
		return n
	}
	return 1
}

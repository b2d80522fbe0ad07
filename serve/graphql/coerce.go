package graphql

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/vektah/gqlparser/v2/ast"

	"tributary/mesh"
	"tributary/serve/catalog"
)

// symbol is an enum's literal, kept apart from strings.
type symbol string

// coerceVariables checks the variables of a request against the operation's definitions and
// gives each its canonical value: string, int64, float64, bool, []any, map[string]any or nil.
// Variables that were not given and have no default are absent.
func (s *Server) coerceVariables(op *ast.OperationDefinition, given map[string]any) (map[string]any, *Error) {
	if len(op.VariableDefinitions) == 0 {
		return nil, nil
	}
	out := make(map[string]any, len(op.VariableDefinitions))
	for _, def := range op.VariableDefinitions {
		value, ok := given[def.Variable]
		if !ok && def.DefaultValue != nil {
			value, ok = literal(def.DefaultValue), true
		}
		if !ok {
			if def.Type.NonNull {
				return nil, inputError(fmt.Sprintf("Variable $%s of type %s was not given.", def.Variable, def.Type), def.Position)
			}
			continue
		}
		v, err := s.coerce(def.Type, value)
		if err != nil {
			return nil, inputError(fmt.Sprintf("Variable $%s of type %s: %s.", def.Variable, def.Type, err), def.Position)
		}
		out[def.Variable] = v
	}
	return out, nil
}

// literal turns a constant of the document into what the JSON of variables would be.
func literal(v *ast.Value) any {
	switch v.Kind {
	case ast.IntValue, ast.FloatValue:
		return json.Number(v.Raw)
	case ast.StringValue, ast.BlockValue:
		return v.Raw
	case ast.EnumValue:
		return symbol(v.Raw)
	case ast.BooleanValue:
		return v.Raw == "true"
	case ast.ListValue:
		list := make([]any, len(v.Children))
		for i, c := range v.Children {
			list[i] = literal(c.Value)
		}
		return list
	case ast.ObjectValue:
		object := make(map[string]any, len(v.Children))
		for _, c := range v.Children {
			object[c.Name] = literal(c.Value)
		}
		return object
	}
	return nil
}

// coerce gives a value the canonical form of its input type.
func (s *Server) coerce(t *ast.Type, value any) (any, error) {
	if value == nil {
		if t.NonNull {
			return nil, fmt.Errorf("null is not allowed for %s", t)
		}
		return nil, nil
	}
	if t.Elem != nil {
		return s.coerceList(t, value)
	}
	def := s.schema.Types[t.NamedType]
	switch def.Kind {
	case ast.InputObject:
		return s.coerceObject(def, value)
	case ast.Enum:
		return coerceEnum(def, value)
	}
	return coerceScalar(t.NamedType, value)
}

func (s *Server) coerceList(t *ast.Type, value any) (any, error) {
	items, ok := value.([]any)
	if !ok {
		items = []any{value} // the specification lets one value stand for a list of it
	}
	out := make([]any, len(items))
	for i, item := range items {
		v, err := s.coerce(t.Elem, item)
		if err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
		out[i] = v
	}
	return out, nil
}

func (s *Server) coerceObject(def *ast.Definition, value any) (any, error) {
	object, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s is not an object of type %s", shown(value), def.Name)
	}
	out := make(map[string]any, len(object))
	for _, f := range def.Fields {
		v, given := object[f.Name]
		if !given && f.DefaultValue != nil {
			v, given = literal(f.DefaultValue), true
		}
		if !given {
			if f.Type.NonNull {
				return nil, fmt.Errorf("%s.%s is required", def.Name, f.Name)
			}
			continue
		}
		coerced, err := s.coerce(f.Type, v)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		out[f.Name] = coerced
	}
	if len(out) < len(object) {
		return nil, unknownMember(def, object)
	}
	return out, nil
}

func unknownMember(def *ast.Definition, object map[string]any) error {
	known := make([]string, len(def.Fields))
	for i, f := range def.Fields {
		known[i] = f.Name
	}
	unknown := ""
	for name := range object {
		if def.Fields.ForName(name) == nil && (unknown == "" || name < unknown) {
			unknown = name
		}
	}
	return fmt.Errorf("%s has no member %q%s", def.Name, unknown, catalog.Suggest(unknown, known))
}

func coerceEnum(def *ast.Definition, value any) (any, error) {
	name, ok := value.(string)
	if sym, is := value.(symbol); is {
		name, ok = string(sym), true
	}
	if !ok || def.EnumValues.ForName(name) == nil {
		known := make([]string, len(def.EnumValues))
		for i, v := range def.EnumValues {
			known[i] = v.Name
		}
		return nil, fmt.Errorf("%s is not a value of %s%s", shown(value), def.Name, catalog.Suggest(name, known))
	}
	return name, nil
}

func coerceScalar(name string, value any) (any, error) {
	text, isText := value.(string)
	number, isNumber := value.(json.Number)
	switch name {
	case "Boolean":
		if b, ok := value.(bool); ok {
			return b, nil
		}
	case "String", "ID":
		if isText {
			return text, nil
		}
	case "Int":
		if v, err := strconv.ParseInt(string(number), 10, 32); err == nil {
			return v, nil
		}
		if v, err := number.Float64(); err == nil && v == math.Trunc(v) && math.Abs(v) <= math.MaxInt32 {
			return int64(v), nil
		}
	case "Float":
		if v, err := number.Float64(); err == nil {
			return v, nil
		}
	case "JSON":
		return value, nil
	default:
		if isNumber && (name == "Long" || name == "Decimal") {
			text, isText = string(number), true
		}
		if isText {
			return catalog.Parse(mesh.Type{Kind: kindOf(name)}, text)
		}
	}
	return nil, fmt.Errorf("%s is not a value of %s", shown(value), name)
}

func kindOf(scalar string) mesh.Kind {
	switch scalar {
	case "Long":
		return mesh.Int
	case "Decimal":
		return mesh.Decimal
	case "DateTime":
		return mesh.Timestamp
	case "Date":
		return mesh.Date
	case "UUID":
		return mesh.UUID
	case "Bytes":
		return mesh.Bytes
	}
	return mesh.String
}

// shown is a wrong value as a message repeats it.
func shown(value any) string {
	b, err := json.Marshal(value)
	if err != nil || len(b) > 60 {
		return fmt.Sprintf("this %T", value)
	}
	return string(b)
}

package expr

import (
	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/checker"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"
)

// rowType is the name of a row's type in CEL. No expression can write it.
const rowType = "tributary.Row"

// rowTypes declares the row's type: an object with a field for each column.
type rowTypes struct {
	types.Provider
	types.Adapter
	columns []Column
	fields  map[string]*types.FieldType
}

// newEnv makes the environment in which expressions of a scope are checked.
func newEnv(s scope) (*cel.Env, *rowTypes, error) {
	registry, err := types.NewRegistry()
	if err != nil {
		return nil, nil, err
	}
	rt := &rowTypes{Provider: registry, Adapter: registry, columns: s.columns, fields: make(map[string]*types.FieldType, len(s.columns))}
	variable := cel.Variable(rowName, types.NewObjectType(rowType))
	if s.value {
		variable = cel.Variable(valueName, celType(s.columns[0].Type))
	}
	for i, c := range s.columns {
		rt.fields[c.Name] = rt.field(i, c.Type)
	}
	env, err := cel.NewEnv(
		cel.CustomTypeAdapter(rt), cel.CustomTypeProvider(rt), variable,
		ext.Strings(), coalesce(), cel.DefaultUTCTimeZone(true), cel.CrossTypeNumericComparisons(true),
		cel.ParserRecursionLimit(maxDepth), cel.ParserExpressionSizeLimit(maxSize),
	)
	return env, rt, err
}

// coalesce declares coalesce(a, b) and coalesce(a, b, c): the first that is not null.
func coalesce() cel.EnvOption {
	t := cel.TypeParamType("T")
	pick := func(args ...ref.Val) ref.Val {
		for _, a := range args {
			if a != types.NullValue {
				return a
			}
		}
		return types.NullValue
	}
	return cel.Function("coalesce",
		cel.Overload("coalesce_2", []*cel.Type{t, t}, t, cel.BinaryBinding(func(a, b ref.Val) ref.Val { return pick(a, b) })),
		cel.Overload("coalesce_3", []*cel.Type{t, t, t}, t, cel.FunctionBinding(pick)))
}

// field declares column i: how CEL reads it out of a row.
func (rt *rowTypes) field(i int, t ColumnType) *types.FieldType {
	nullable := celType(t)
	switch nullable.Kind() {
	case types.ListKind, types.TimestampKind, types.DynKind: // CEL takes a timestamp for nullable, and has no nullable list
	default:
		nullable = types.NewNullableType(nullable)
	}
	return &types.FieldType{
		Type:    nullable,
		IsSet:   func(row any) bool { return row.([]any)[i] != nil },
		GetFrom: func(row any) (any, error) { return rt.value(i, row.([]any)[i]) },
	}
}

// FindStructType implements types.Provider.
func (rt *rowTypes) FindStructType(name string) (*types.Type, bool) {
	if name == rowType {
		return types.NewTypeTypeWithParam(types.NewObjectType(rowType)), true
	}
	return rt.Provider.FindStructType(name)
}

// FindStructFieldNames implements types.Provider.
func (rt *rowTypes) FindStructFieldNames(name string) ([]string, bool) {
	if name != rowType {
		return rt.Provider.FindStructFieldNames(name)
	}
	names := make([]string, len(rt.columns))
	for i, c := range rt.columns {
		names[i] = c.Name
	}
	return names, true
}

// FindStructFieldType implements types.Provider.
func (rt *rowTypes) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	if name != rowType {
		return rt.Provider.FindStructFieldType(name, field)
	}
	f, ok := rt.fields[field]
	return f, ok
}

// celType is the type that a column's values have in CEL.
func celType(t ColumnType) *cel.Type {
	if elem, ok := t.Elem(); ok {
		return cel.ListType(celType(elem))
	}
	switch t {
	case Bool:
		return cel.BoolType
	case Int:
		return cel.IntType
	case Float, Numeric:
		return cel.DoubleType
	case Bytes:
		return cel.BytesType
	case Time:
		return cel.TimestampType
	case Text:
		return cel.StringType
	}
	return cel.DynType
}

// columnType is the type of a result of CEL: 0 where it is known only at evaluation.
func columnType(t *cel.Type) (ColumnType, bool) {
	switch t = unwrap(t); t.Kind() {
	case types.BoolKind:
		return Bool, true
	case types.IntKind, types.UintKind:
		return Int, true
	case types.DoubleKind:
		return Float, true
	case types.StringKind:
		return Text, true
	case types.BytesKind:
		return Bytes, true
	case types.TimestampKind:
		return Time, true
	case types.DynKind, types.AnyKind, types.NullTypeKind, types.TypeParamKind:
		return 0, true
	case types.ListKind:
		elem, ok := columnType(t.Parameters()[0])
		if _, nested := elem.Elem(); nested || !ok {
			return 0, false
		}
		return ListOf(elem), true
	}
	return 0, false
}

// unwrap gives the type below a nullable one.
func unwrap(t *cel.Type) *cel.Type {
	for _, plain := range []*cel.Type{cel.BoolType, cel.IntType, cel.UintType, cel.DoubleType, cel.StringType, cel.BytesType} {
		if t.IsEquivalentType(types.NewNullableType(plain)) {
			return plain
		}
	}
	return t
}

func typeName(t *cel.Type) string { return checker.FormatCELType(unwrap(t)) }

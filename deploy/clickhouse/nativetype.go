package clickhouse

import (
	"strconv"
	"strings"
)

type typeKind int

const (
	kindFixed typeKind = iota
	kindString
	kindJSON
	kindNullable
	kindArray
	kindTuple
	kindLowCardinality
)

// A nativeType says how a column's values lie in Native bytes.
type nativeType struct {
	kind  typeKind
	size  int // bytes a value, of kindFixed
	elems []nativeType
}

// maxTypeDepth bounds the nesting of a type.
const maxTypeDepth = 32

// parseType reads a type's name as the engine writes it. Types without a stable Native layout are
// refused with the way around them.
func parseType(name string) (nativeType, error) { return parseTypeAt(name, 0) }

func parseTypeAt(name string, depth int) (nativeType, error) {
	base, args := splitType(name)
	if depth > maxTypeDepth {
		return nativeType{}, notImplemented("type %.80s is nested too deep for Native over HTTP", name)
	}
	if size := fixedSize(base, args); size >= 0 {
		return nativeType{kind: kindFixed, size: size}, nil
	}
	switch base {
	case "String":
		return nativeType{kind: kindString}, nil
	case "JSON", "Object":
		return nativeType{kind: kindJSON}, nil
	case "Nullable", "Array":
		kind := kindNullable
		if base == "Array" {
			kind = kindArray
		}
		return composed(kind, args, depth)
	case "LowCardinality":
		if len(args) == 1 { // the dictionary holds plain values, NULL is its key 0
			if inner, nested := splitType(args[0]); inner == "Nullable" {
				args = nested
			}
		}
		return composed(kindLowCardinality, args, depth)
	case "Tuple":
		if len(args) == 0 {
			return nativeType{kind: kindFixed, size: 1}, nil
		}
		return composed(kindTuple, args, depth)
	case "Map", "Nested":
		rows, err := composed(kindTuple, args, depth)
		return nativeType{kind: kindArray, elems: []nativeType{rows}}, err
	case "SimpleAggregateFunction":
		if len(args) == 2 {
			return parseTypeAt(args[1], depth+1)
		}
	}
	if alias := geoType(base); alias != "" {
		return parseTypeAt(alias, depth+1)
	}
	return nativeType{}, notImplemented("columns of type %.80s cannot be read as Native over HTTP: cast them (toString, finalizeAggregation), or ask for another FORMAT", name)
}

func composed(kind typeKind, args []string, depth int) (nativeType, error) {
	t := nativeType{kind: kind, elems: make([]nativeType, len(args))}
	if len(args) == 0 || kind != kindTuple && len(args) != 1 {
		return t, notImplemented("a composed type has %d arguments", len(args))
	}
	for i, arg := range args {
		var err error
		if t.elems[i], err = parseTypeAt(withoutName(arg), depth+1); err != nil {
			return t, err
		}
	}
	return t, nil
}

// fixedSize is the number of bytes of a value, -1 for types of other layouts.
func fixedSize(base string, args []string) int {
	switch base {
	case "Int8", "UInt8", "Bool", "Enum8", "Nothing":
		return 1
	case "Int16", "UInt16", "Enum16", "Date", "BFloat16":
		return 2
	case "Int32", "UInt32", "Float32", "Date32", "DateTime", "IPv4", "Decimal32", "Time":
		return 4
	case "Int64", "UInt64", "Float64", "DateTime64", "Decimal64", "Time64":
		return 8
	case "Int128", "UInt128", "UUID", "IPv6", "Decimal128":
		return 16
	case "Int256", "UInt256", "Decimal256":
		return 32
	case "FixedString", "Decimal":
		return sizedByArgument(base, args)
	}
	if strings.HasPrefix(base, "Interval") {
		return 8
	}
	return -1
}

func sizedByArgument(base string, args []string) int {
	if len(args) == 0 {
		return -1
	}
	n, err := strconv.Atoi(args[0])
	if err != nil || n < 0 || n > 1<<24 {
		return -1
	}
	if base == "FixedString" {
		return n
	}
	switch {
	case n <= 9:
		return 4
	case n <= 18:
		return 8
	case n <= 38:
		return 16
	}
	return 32
}

func geoType(base string) string {
	switch base {
	case "Point":
		return "Tuple(Float64, Float64)"
	case "Ring", "LineString":
		return "Array(Point)"
	case "Polygon", "MultiLineString":
		return "Array(Ring)"
	case "MultiPolygon":
		return "Array(Polygon)"
	}
	return ""
}

// splitType splits "Map(String, Array(Int8))" into "Map" and its arguments.
func splitType(name string) (base string, args []string) {
	open := strings.IndexByte(name, '(')
	if open < 0 || !strings.HasSuffix(name, ")") {
		return name, nil
	}
	base = name[:open]
	lex := lexer{text: []byte(name[open+1 : len(name)-1])}
	from := 0
	for lex.next() {
		if lex.depth == 0 && lex.symbol() == ',' {
			args = append(args, strings.TrimSpace(string(lex.text[from:lex.start])))
			from = lex.end
		}
	}
	if last := strings.TrimSpace(string(lex.text[from:])); last != "" {
		args = append(args, last)
	}
	return base, args
}

// withoutName drops the element's name of "name Type" in a named tuple: what is left of the first
// blank outside quotes and parentheses.
func withoutName(arg string) string {
	lex := lexer{text: []byte(arg)}
	if lex.next() && lex.end < len(arg) && arg[lex.end] == ' ' {
		return strings.TrimSpace(arg[lex.end:])
	}
	return arg
}

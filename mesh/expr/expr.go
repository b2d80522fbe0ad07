// Package expr compiles the expressions of a manifest over the rows of a stream. In goes CEL text
// with the stream's columns, out comes a Program, or every fault of the text with its place in it.
// What a row needs most, a plain column, a locale-and-value pair or a deletion flag held against a
// constant, is known to the caller and evaluates without CEL. Expressions are deterministic: no
// clock, no randomness (I2).
//
// Null: a column may be null, and compares with null (row.x == null); has(row.x) says whether it is
// not, also for lists. null equals nothing else, so row.flag == "" is false for a null flag, and
// row.flag != "X" is true. Any other operation on null is an error of evaluation. coalesce(row.x,
// "") gives the first of its arguments that is not null.
package expr

import "strconv"

// A Column is a column of a stream's rows.
type Column struct {
	Name string
	Type ColumnType
}

// ColumnType says what values a column has, in a row and in CEL.
type ColumnType uint8

// The column types, with the values they have in a row and in CEL. Beside these any value may be nil.
const (
	Bool    ColumnType = iota + 1 // bool; bool
	Int                           // int64; int
	Float                         // float64; double
	Text                          // string; string
	Bytes                         // []byte; bytes
	Numeric                       // string that holds a decimal; double. A plain reference keeps all digits
	Time                          // string that holds an ISO 8601 time or date, or time.Time; timestamp
	list    = 0x80                // bit of ListOf
)

// ListOf is the type of a column that holds lists of a type: []any; list.
func ListOf(elem ColumnType) ColumnType { return elem | list }

// Elem gives the type of a list's elements; ok is false where t is no list.
func (t ColumnType) Elem() (elem ColumnType, ok bool) { return t &^ list, t&list != 0 }

// String gives the type's name for messages.
func (t ColumnType) String() string {
	if elem, ok := t.Elem(); ok {
		return "list of " + elem.String()
	}
	names := [...]string{"any", "bool", "int", "float", "text", "bytes", "numeric", "time"}
	if int(t) < len(names) {
		return names[t]
	}
	return "type " + strconv.Itoa(int(t))
}

// Want says what an expression is for, and so what it must give.
type Want uint8

// What expressions are for.
const (
	Key            Want = iota + 1 // an entity's id: text, int or numeric
	Cond                           // a truth value; null is an error
	At                             // the time of a change
	Value                          // a field's value: of any column type
	LocalizedValue                 // a map of locale to value
)

// Form is the outward form of an expression.
type Form uint8

// The forms of expressions.
const (
	FormOther   Form = iota
	FormColumn       // row.x, row["x"]
	FormLiteral      // "x", 5, true
	FormMap          // {key: value}
)

package views

import "tributary/mesh"

// A Query asks one view, with relations to any depth; all that one execution reads is of one
// snapshot. Values that vary between executions are Args, so that a query can be compiled once.
type Query struct {
	Entity *mesh.Entity
	// Where limits the rows; nil: all.
	Where *Cond
	// Order is how rows are sorted: nulls last whatever the direction, ties by the entity's
	// key, ascending. Empty: by key.
	Order []Order
	// After is the cursor (a JSON array as Statement.Run gave it) behind which rows begin; a
	// nil argument means from the start. 0 (NoArg): no paging.
	After Arg
	// First is the most rows to give; 0 (NoArg): no limit.
	First Arg
	// Select is the JSON object of a row, members in this order.
	Select []Item
}

// An Arg is a value given at execution: argument number Arg−1 of Run. NoArg means absent.
type Arg int

// NoArg marks an argument that a query does not have.
const NoArg Arg = 0

// An Item is one member of a row's JSON object; exactly one of Field, Relation, Meta and
// Literal is set.
type Item struct {
	As    string
	Field *mesh.Field
	// Locale is the locale of a localized field (a string argument, null where it has no
	// value); NoArg: the object of all locales.
	Locale Arg
	// Relation leads to a nested query: an object or null where it is One, else an array.
	Relation *mesh.Relation
	Nested   *Query
	// Meta asks for a mark that the gateway replaces by the row's _meta. It is written as
	// {"<MetaMark>":[Meta,"<id>",partition,generation,offset,n,held,"<hex of Row.Meta>"]}, held
	// being Row.Held as JSON or null.
	Meta int
	// MetaBlob says whether the mark needs Row.Meta (provenance); otherwise it is "".
	MetaBlob bool
	MetaMark string
	// Literal is a constant string, for __typename.
	Literal string
}

// An Order sorts by a field (of a localized one, the value of Locale).
type Order struct {
	Field  *mesh.Field
	Locale Arg
	Desc   bool
}

// CondOp is a condition's operator.
type CondOp uint8

// The operators. And, Or and Not take Conds; IsNull takes a bool argument; In takes an ArgList
// ([]string, each element as text); the others one argument typed as the field is: string for
// string, decimal, timestamp, date, uuid, enum, json and bytes (base64), int64, float64, bool.
const (
	And CondOp = iota + 1
	Or
	Not
	Eq
	Ne
	Gt
	Gte
	Lt
	Lte
	In
	Contains
	StartsWith
	IsNull
)

// A Cond limits rows. A comparison with a null argument is never true, except that Eq null is
// the same as IsNull. Ne is true for null fields. Not is true wherever its Conds, joined by And,
// are not. Text compares bytewise and case counts; NaN equals itself and is above all numbers;
// lists can only be tested for null, and Contains and StartsWith are for string, uuid and enum.
type Cond struct {
	Op     CondOp
	Conds  []*Cond
	Field  *mesh.Field
	Locale Arg // for localized fields
	Arg    Arg
}

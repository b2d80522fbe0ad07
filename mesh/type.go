package mesh

// Kind is the kind of a field's type.
type Kind uint8

// The kinds of field types.
const (
	String Kind = iota + 1
	Int
	Float
	Bool
	Decimal
	Timestamp
	Date
	UUID
	JSON
	Bytes
	Enum
	List
)

// A Type is a field's type: string, int, float, bool, decimal(p,s), timestamp, date, uuid, json,
// bytes, enum(a,b), list<T>.
type Type struct {
	Kind      Kind
	Precision int      // decimal: digits in all, 1 to 38
	Scale     int      // decimal: digits behind the point, 0 to Precision
	Symbols   []string // enum
	Elem      *Type    // list
}

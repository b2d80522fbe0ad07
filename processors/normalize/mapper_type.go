package normalize

import (
	"strings"

	"tributary/mesh"
	"tributary/mesh/expr"
)

// A meaning is what a source's Avro type stands for.
type meaning uint8

const (
	meansNothing meaning = iota // a record, a map: no field takes it
	meansText
	meansTextNumber // text that holds a decimal, or NaN or an infinity
	meansTextTime   // text that holds an ISO 8601 time or date
	meansBool
	meansInt
	meansFloat
	meansBytes
	meansDecimal         // bytes or fixed: two's complement, scale in the type
	meansVariableDecimal // a record of scale and value
	meansMillis          // since 1970
	meansMicros
	meansNanos
	meansDays // since 1970
	meansSymbol
	meansList
)

// meaningOf reads the names that Debezium, Connect and Avro itself give to types. Times of day
// and years are plain numbers in them, and stay so. sourceType is the driver's own name.
func meaningOf(t *wireType, sourceType string) meaning {
	switch t.kind {
	case wireString:
		return textMeaning(t.semantic, sourceType)
	case wireBool:
		return meansBool
	case wireInt:
		return intMeaning(t.semantic)
	case wireFloat, wireDouble:
		return meansFloat
	case wireBytes, wireFixed:
		if t.semantic == "decimal" || t.semantic == "org.apache.kafka.connect.data.Decimal" {
			return meansDecimal
		}
		return meansBytes
	case wireEnum:
		return meansSymbol
	case wireArray:
		return meansList
	case wireRecord:
		if t.semantic == "io.debezium.data.VariableScaleDecimal" && t.isVariableDecimal() {
			return meansVariableDecimal
		}
	}
	return meansNothing
}

func textMeaning(semantic, sourceType string) meaning {
	switch semantic {
	case "io.debezium.time.ZonedTimestamp", "io.debezium.time.IsoTimestamp", "io.debezium.time.IsoDate":
		return meansTextTime
	}
	if strings.HasPrefix(sourceType, "numeric") && !strings.HasSuffix(sourceType, "[]") {
		return meansTextNumber
	}
	return meansText
}

func intMeaning(semantic string) meaning {
	switch semantic {
	case "io.debezium.time.Date", "org.apache.kafka.connect.data.Date", "date":
		return meansDays
	case "io.debezium.time.Timestamp", "org.apache.kafka.connect.data.Timestamp", "timestamp-millis", "local-timestamp-millis":
		return meansMillis
	case "io.debezium.time.MicroTimestamp", "timestamp-micros", "local-timestamp-micros":
		return meansMicros
	case "io.debezium.time.NanoTimestamp":
		return meansNanos
	}
	return meansInt
}

// isVariableDecimal says whether a record is {scale int, value bytes}, in this order.
func (t *wireType) isVariableDecimal() bool {
	return len(t.fields) == 2 && t.fields[0].name == "scale" && t.fields[0].t.kind == wireInt &&
		t.fields[1].name == "value" && t.fields[1].t.kind == wireBytes
}

// setMeanings settles what a type and those below it stand for.
func (t *wireType) setMeanings(sourceType string) {
	if t.sourceType != "" {
		sourceType = t.sourceType
	}
	t.means = meaningOf(t, sourceType)
	for _, b := range t.branches {
		b.setMeanings(sourceType)
	}
	if t.elem != nil {
		t.elem.setMeanings(strings.TrimSuffix(sourceType, "[]"))
	}
}

// exprType is the type of a column in expressions, 0 for what no expression can compute with.
func (t *wireType) exprType() expr.ColumnType {
	switch t.means {
	case meansText, meansSymbol:
		return expr.Text
	case meansTextNumber, meansDecimal, meansVariableDecimal:
		return expr.Numeric
	case meansTextTime, meansMillis, meansMicros, meansNanos, meansDays:
		return expr.Time
	case meansBool:
		return expr.Bool
	case meansInt:
		return expr.Int
	case meansFloat:
		return expr.Float
	case meansBytes:
		return expr.Bytes
	case meansList:
		if elem := t.elem.value(); elem != nil && elem.means != meansList && elem.exprType() != 0 {
			return expr.ListOf(elem.exprType())
		}
	}
	return 0
}

// value gives the type itself, or of a union its first branch that is not null.
func (t *wireType) value() *wireType {
	if t.kind != wireUnion {
		return t
	}
	for _, b := range t.branches {
		if b.kind != wireNull {
			return b
		}
	}
	return nil
}

// natural is the field type that holds a source type's values without loss, for JSON.
func (t *wireType) natural() mesh.Type {
	switch t.means {
	case meansBool:
		return mesh.Type{Kind: mesh.Bool}
	case meansInt:
		return mesh.Type{Kind: mesh.Int}
	case meansFloat:
		return mesh.Type{Kind: mesh.Float}
	case meansBytes:
		return mesh.Type{Kind: mesh.Bytes}
	}
	return mesh.Type{Kind: mesh.String}
}

// Expr gives the columns as expressions over rows see them. Columns that hold records or maps have
// the type 0: no field takes them.
func (e *EnvelopeReader) Expr() []expr.Column {
	out := make([]expr.Column, len(e.Columns))
	for i := range e.Columns {
		out[i] = expr.Column{Name: e.Columns[i].Name, Type: e.Columns[i].exprType()}
	}
	return out
}

func (c *ColumnType) exprType() expr.ColumnType {
	if v := c.wire.value(); v != nil {
		return v.exprType()
	}
	return 0
}

// at gives the type of a value of the column.
func (c *ColumnType) at(branch int) *wireType {
	if c.wire.kind == wireUnion {
		return c.wire.branches[branch]
	}
	return c.wire
}

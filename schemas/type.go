package schemas

import (
	"strconv"
	"strings"

	"tributary/mesh"
)

// AvroType is how values of a field's type are written in contributions and views:
//
//	string, enum, json   string
//	uuid                 string (logicalType uuid)
//	int                  long
//	float                double
//	bool                 boolean
//	decimal(p,s)         bytes (logicalType decimal: big-endian two's complement, unscaled)
//	timestamp            long (timestamp-micros, UTC)
//	date                 int (days since 1970-01-01)
//	bytes                bytes
//	list<T>              array of T
//
// The result is a value for json.Marshal.
func AvroType(t mesh.Type) any {
	type m = map[string]any
	switch t.Kind {
	case mesh.Int:
		return "long"
	case mesh.Float:
		return "double"
	case mesh.Bool:
		return "boolean"
	case mesh.Decimal:
		return m{"type": "bytes", "logicalType": "decimal", "precision": t.Precision, "scale": t.Scale,
			"connect.name":       "org.apache.kafka.connect.data.Decimal",
			"connect.parameters": m{"scale": strconv.Itoa(t.Scale), "connect.decimal.precision": strconv.Itoa(t.Precision)}}
	case mesh.Timestamp:
		return m{"type": "long", "logicalType": "timestamp-micros", "connect.name": "io.debezium.time.MicroTimestamp"}
	case mesh.Date:
		return m{"type": "int", "logicalType": "date", "connect.name": "org.apache.kafka.connect.data.Date"}
	case mesh.UUID:
		return m{"type": "string", "logicalType": "uuid", "connect.name": "io.debezium.data.Uuid"}
	case mesh.JSON:
		return m{"type": "string", "connect.name": "io.debezium.data.Json"}
	case mesh.Enum:
		return m{"type": "string", "connect.name": "io.debezium.data.Enum", "connect.parameters": m{"allowed": strings.Join(t.Symbols, ",")}}
	case mesh.Bytes:
		return "bytes"
	case mesh.List:
		return m{"type": "array", "items": AvroType(*t.Elem)}
	}
	return "string"
}

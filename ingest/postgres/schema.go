package postgres

import (
	"encoding/json"
	"fmt"
	"strings"
)

// object is a JSON object of a schema; json.Marshal writes its members in sorted order, so equal
// shapes give equal text.
type object = map[string]any

// Props of our own in schemas.
const (
	propColumn = "tributary.column" // on a field: the column's name where it is no Avro name
	propType   = "tributary.type"   // on a type: the Postgres type
)

// schemas builds the Avro schemas of a shape's records, in Debezium's layout: <topic>.Key and
// <topic>.Envelope with rows <topic>.Value.
func (s *shape) schemas(topic string) (key, value string, err error) {
	namespace := avroNamespace(topic)
	names := avroNames(s.names())
	var keyFields, rowFields []object
	for i, c := range s.columns {
		f := object{"name": names[i], "type": avroType(&c.typ)}
		if s.nullable(i) {
			f["type"], f["default"] = nullable(f["type"]), nil
		}
		if names[i] != c.name {
			f[propColumn] = c.name
		}
		rowFields = append(rowFields, f)
		if c.key {
			keyFields = append(keyFields, f)
		}
	}
	if key, err = marshal(record(namespace, "Key", keyFields)); err != nil {
		return "", "", err
	}
	value, err = marshal(envelope(namespace, record(namespace, "Value", rowFields)))
	return key, value, err
}

func marshal(schema object) (string, error) {
	text, err := json.Marshal(schema)
	if err != nil {
		return "", fmt.Errorf("write a schema: %w", err)
	}
	return string(text), nil
}

func record(namespace, name string, fields []object) object {
	return object{"type": "record", "namespace": namespace, "name": name, "fields": fields,
		"connect.name": namespace + "." + name}
}

// envelope is Debezium's Envelope: https://debezium.io/documentation, connector for PostgreSQL,
// data change events.
func envelope(namespace string, row object) object {
	optionalLong := []any{"null", "long"}
	f := record(namespace, "Envelope", []object{
		{"name": "before", "type": []any{"null", row}, "default": nil},
		{"name": "after", "type": []any{"null", namespace + ".Value"}, "default": nil},
		{"name": "source", "type": sourceSchema()},
		{"name": "transaction", "type": []any{"null", record("event", "block", []object{
			{"name": "id", "type": "string"},
			{"name": "total_order", "type": "long"},
			{"name": "data_collection_order", "type": "long"},
		})}, "default": nil},
		{"name": "op", "type": "string"},
		{"name": "ts_ms", "type": optionalLong, "default": nil},
		{"name": "ts_us", "type": optionalLong, "default": nil},
		{"name": "ts_ns", "type": optionalLong, "default": nil},
	})
	f["connect.version"] = 2
	return f
}

func sourceSchema() object {
	optional := func(name string, t any) object {
		return object{"name": name, "type": []any{"null", t}, "default": nil}
	}
	return record("io.debezium.connector.postgresql", "Source", []object{
		{"name": "version", "type": "string"},
		{"name": "connector", "type": "string"},
		{"name": "name", "type": "string"},
		{"name": "ts_ms", "type": "long"},
		{"name": "snapshot", "type": []any{object{"type": "string", "connect.name": "io.debezium.data.Enum", "connect.version": 1,
			"connect.default":    "false",
			"connect.parameters": object{"allowed": "true,first,first_in_data_collection,last_in_data_collection,last,false,incremental"}}, "null"},
			"default": "false"},
		{"name": "db", "type": "string"},
		optional("sequence", "string"),
		optional("ts_us", "long"),
		optional("ts_ns", "long"),
		{"name": "schema", "type": "string"},
		{"name": "table", "type": "string"},
		optional("txId", "long"),
		optional("lsn", "long"),
		optional("xmin", "long"),
		optional("origin", "string"),
		optional("origin_lsn", "long"),
	})
}

// nullable makes a union with null of a type, which may be a union itself.
func nullable(t any) any {
	if union, ok := t.([]any); ok {
		return append([]any{"null"}, union...)
	}
	return []any{"null", t}
}

// avroType is the Avro type of a column without null.
func avroType(t *pgType) any {
	if t.elem != nil {
		return []any{object{"type": "array", "items": nullable(elementType(t.elem)), propType: t.text}, "string"}
	}
	return elementType(t)
}

func elementType(t *pgType) any {
	out := object{"type": "string", propType: t.text}
	switch t.oid {
	case oidBool:
		out["type"] = "boolean"
	case oidInt2:
		out["type"], out["connect.type"] = "int", "int16"
	case oidInt4:
		out["type"] = "int"
	case oidInt8, oidOid:
		out["type"] = "long"
	case oidFloat4:
		out["type"] = "float"
	case oidFloat8:
		out["type"] = "double"
	case oidBytea:
		out["type"] = "bytes"
	case oidUUID:
		out["logicalType"], out["connect.name"] = "uuid", "io.debezium.data.Uuid"
	case oidJSON, oidJSONB:
		out["connect.name"] = "io.debezium.data.Json"
	case oidTimestamptz:
		out["connect.name"] = "io.debezium.time.ZonedTimestamp"
	case oidTimestamp:
		out["connect.name"] = "io.debezium.time.IsoTimestamp"
	case oidDate:
		out["connect.name"] = "io.debezium.time.IsoDate"
	case oidTime:
		out["connect.name"] = "io.debezium.time.IsoTime"
	}
	if t.labels != nil {
		out["connect.name"] = "io.debezium.data.Enum"
		out["connect.parameters"] = object{"allowed": strings.Join(t.labels, ",")}
	}
	return out
}

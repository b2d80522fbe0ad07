package reference

import (
	"fmt"
	"strings"

	"tributary/schemas"
)

// KeySchema is the Avro schema of the raw topics' keys.
const KeySchema = `{"type":"record","name":"Key","fields":[{"name":"id","type":"long"}]}`

// EnvelopeSchema is the Avro schema of the raw topics' values: a Debezium-compatible envelope of
// all Columns.
func EnvelopeSchema() string {
	var fields []string
	for _, c := range Columns() {
		fields = append(fields, fmt.Sprintf(`{"name":%q,"type":["null",%s]}`, c.Name, c.Avro))
	}
	return `{"type":"record","name":"Envelope","fields":[{"name":"op","type":"string"},
		{"name":"source","type":{"type":"record","name":"Source","fields":[{"name":"ts_ms","type":"long"},{"name":"ts_us","type":"long"}]}},
		{"name":"after","type":["null",{"type":"record","name":"Value","fields":[` + strings.Join(fields, ",") + `]}]}]}`
}

// AppendEnvelope appends the Avro body of a change's envelope.
func AppendEnvelope(dst []byte, c Change) []byte {
	op := "u"
	if c.Row == nil {
		op = "d"
	}
	dst = schemas.AppendLong(schemas.AppendLong(schemas.AppendString(dst, op), c.CommitTime/1000), c.CommitTime)
	if c.Row == nil {
		return append(dst, 0)
	}
	dst = append(dst, 2)
	for _, column := range Columns() {
		dst = appendColumn(dst, c.Row[column.Name])
	}
	return dst
}

func appendColumn(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, 0)
	case string:
		return schemas.AppendString(append(dst, 2), v)
	case int64:
		return schemas.AppendLong(append(dst, 2), v)
	case float64:
		return schemas.AppendDouble(append(dst, 2), v)
	default:
		return schemas.AppendBool(append(dst, 2), v.(bool))
	}
}

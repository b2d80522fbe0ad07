package avrocompat

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/hamba/avro/v2"
)

// Parse reads a schema strictly: it must be JSON. Named types that other texts define come from
// named, which may be nil and gets the types defined here.
func Parse(text string, named *avro.SchemaCache) (schema avro.Schema, err error) {
	// hamba panics on some absurd sizes of fixed defaults, and schemas come from outside.
	defer func() {
		if p := recover(); p != nil {
			schema, err = nil, fmt.Errorf("invalid Avro schema: %v", p)
		}
	}()
	// json.Valid also bounds the nesting, and with it every recursion over the schema.
	if !json.Valid([]byte(text)) {
		return nil, errors.New("invalid Avro schema: not JSON")
	}
	if named == nil {
		named = &avro.SchemaCache{}
	}
	return avro.ParseWithCache(text, "", named)
}

// Package schemas is the Avro side of every record: schemas of envelopes, contributions, views
// and state, their encoders and decoders, the compatibility rules and the registry that keeps
// them. Records are framed as Confluent does: a zero byte, the schema's id, the Avro body.
package schemas

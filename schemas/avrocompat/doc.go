// Package avrocompat decides whether data written with one Avro schema can be read with
// another. In go two parsed schemas or a compatibility level with the earlier versions, out come
// all mismatches, each with its path.
//
// The rules are Avro 1.12's schema resolution. Two are stricter, because the specification would
// let values be misread in silence: two different logical types on one field never match (reading
// milliseconds as microseconds). One is wider: a reader's decimal may have more digits than the
// writer's as long as the scale is the same, since no value changes.
package avrocompat

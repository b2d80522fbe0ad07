// Package registry is the embedded schema registry and the client for it and for external ones.
// The server speaks Confluent's HTTP interface for Avro and keeps everything in the compacted
// topic _schemas, in Confluent's own record formats, so a registry of theirs can take the topic
// over. In go schemas under subjects, out come ids that never change meaning.
//
// Several processes may serve one topic. A write is a Kafka transaction under one transactional
// id for all of them: whoever begins to write fences the others, reads the topic to its end, and
// only then gives out an id, so that two writers never give out the same one.
package registry

// Package processors runs the stages between topics: it consumes, transforms and produces in
// Kafka transactions, forwards watermarks and restarts from what is committed. In come records
// of one input topic, out go records of others with the claims that cover them; the stages
// themselves are in the folders below. It keeps I4 and I14.
package processors

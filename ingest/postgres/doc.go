// Package postgres captures tables of PostgreSQL 12 to 18 by logical decoding (pgoutput). In come
// rows of a snapshot and the changes behind it, out go Avro envelopes that are the same for both,
// with marks and watermarks. It keeps I1 (the slot is confirmed only to what is durable), I4
// (a watermark is never early), I8 and I13's ground: positions that rise.
package postgres

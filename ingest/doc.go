// Package ingest brings changes of upstream systems into raw topics. In comes what a Source
// captures, out go envelopes with positions and watermarks, in Kafka transactions that hold the
// position records too. It keeps I1, I4 (claims of raw), I5, I13 and I14.
package ingest

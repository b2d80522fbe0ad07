// Package normalize turns rows into contributions. In come envelopes of raw topics, out go
// contributions, retractions, held marks and key records, in one Kafka transaction for each
// batch; a row that does not fit its entity becomes a dead letter. Its mapper is compiled once
// for each (entity, block, schema) and does not allocate a row. It keeps I2, I6, I10 and I14.
package normalize

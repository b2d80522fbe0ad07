// Package clickhouse is the analytics sink: the telemetry, conflicts and changes topics come in,
// rows in ClickHouse go out, embedded or external by the same code. Each block of a partition's
// records is planned in Kafka before it is inserted, so that a retry repeats the same block under
// the same token and nothing is doubled; an outage of ClickHouse pauses the sink and nothing
// else (I7), since offsets move only behind an insert.
package clickhouse

// Package clickhouse is the embedded analytics engine: ClickHouse as a library, loaded in a child
// process that speaks ClickHouse's HTTP protocol on a loopback address, so that clickhouse-go and
// curl need not know whether the server is embedded or external. Records come in from
// sinks/clickhouse; the engine's death never takes the mesh with it (I7), and what an INSERT has
// acknowledged is on disk for the next start.
package clickhouse

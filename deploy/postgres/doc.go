// Package pgserver starts real Postgres servers for the demo and for tests, on loopback only and
// ready for logical replication. In goes a folder, out comes a running server and its URLs; the
// binaries are fetched once into a cache. Servers end with the process that started them.
package pgserver

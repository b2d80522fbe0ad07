// Package node puts the rooms of one process together: it starts the embedded parts, then the
// roles that the process has (ingest, process, sink, serve), and ends them in the opposite order.
// It is the only package beside cmd that knows all rooms.
package node

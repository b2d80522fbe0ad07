// Package rest serves the views of a mesh as JSON over plain HTTP: lists with filters, sort and
// cursors, single entities with strong ETags, and what the mesh's streams and views are doing.
// Every answer about an entity, a missing one included, carries its freshness in headers (I10),
// taken before its rows were read (I4).
package rest

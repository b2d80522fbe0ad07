// Package rowmeta writes the _meta of rows. In come rows as a view store gives them, each with
// a mark in place of its _meta; out go the same bytes with the version, the freshness and the
// provenance that were asked. No answer claims more than its snapshot of freshness did (I4), and
// rows held in the dead letters are told (I10).
package rowmeta

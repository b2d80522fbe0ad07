// Package views keeps resolved entities where a gateway can read them: one Store interface, its
// drivers in folders below. In come the records of view topics, in the order of each partition;
// rows, offsets and frontiers are written in one transaction (I4, I9).
package views

import (
	"context"
	"time"

	"tributary/mesh"
	"tributary/topics"
)

// A Store keeps views. One sink writes, many requests read.
type Store interface {
	// Define makes or widens the tables of the entities, so that fields that are new are null
	// in rows that were there. It never drops a table that a reader may be using.
	Define(ctx context.Context, entities []*mesh.Entity) error
	// Apply writes a batch in one transaction. A row whose version is not above the stored
	// one's is ignored (I9).
	Apply(ctx context.Context, b Batch) error
	// Progress is what the last Apply of the entity left: where to go on, and the frontiers.
	Progress(ctx context.Context, entity string) (Progress, error)
	// Prepare compiles a query; statements are safe for concurrent use and cached by the caller.
	Prepare(ctx context.Context, q *Query) (Statement, error)
	Close() error
}

// A Statement is a compiled query.
type Statement interface {
	// Run executes with one argument for each Arg of the query (string, int64, float64, bool,
	// []string for ArgList, or nil) and gives one JSON object a row, to be read before the
	// next call of fn. cursor holds the row's order values, for keyset paging, as JSON array.
	Run(ctx context.Context, args []any, fn func(json, cursor []byte) error) error
	// Count runs the query without page and gives the number of rows.
	Count(ctx context.Context, args []any) (int64, error)
}

// A Batch is what one transaction applies to one entity.
type Batch struct {
	Entity    *mesh.Entity
	Rows      []Row
	Offsets   []Offset
	Frontiers []Frontier
	// Forget: rows deleted before this time need no longer be remembered (maxOutage).
	Forget time.Time
}

// A Row is one record of a view topic.
type Row struct {
	ID        string
	Partition int32
	Version   Version
	Deleted   bool
	// Values holds, for each of the entity's Fields in order, the Avro value without union
	// branch, nil for null; of a localized field an Avro map<locale, value>. They are typed as
	// schemas.AvroType(field.Type) says.
	Values [][]byte
	// Held lists, as a JSON array of {"stream","time"}, rows of this entity that lie in the
	// dead letters (I10); nil: none.
	Held []byte
	// Meta is the Avro body of the record's _meta (schemas.Meta), kept as it is.
	Meta []byte
}

// A Version orders the records of one entity (I9). It compares field by field.
type Version struct {
	Generation uint32
	Partition  int32
	Offset     int64
	N          uint32
}

// Less orders versions.
func (v Version) Less(o Version) bool {
	switch {
	case v.Generation != o.Generation:
		return v.Generation < o.Generation
	case v.Partition != o.Partition:
		return v.Partition < o.Partition
	case v.Offset != o.Offset:
		return v.Offset < o.Offset
	}
	return v.N < o.N
}

// An Offset says where to go on reading a topic's partition.
type Offset struct {
	Topic     string
	Partition int32
	Next      int64
}

// A Frontier is the watermark that a view's partition has reached for one stream.
type Frontier struct {
	Partition int32
	Stream    string
	// Through is the source time of the watermark; zero means never verified.
	Through time.Time
	// Position is the last whole source transaction, known even where Through is not.
	Position topics.Position
}

// Progress is where a store stands with one entity.
type Progress struct {
	Offsets   []Offset
	Frontiers []Frontier
}

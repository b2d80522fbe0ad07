package postgres

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"tributary/ingest"
)

// A relation is a table as the change stream describes it.
type relation struct {
	message []byte // the Relation message, to see whether a later one differs
	encoder *rowEncoder
	full    bool // old rows come whole
	before  bool // envelopes of updates carry the old row where it comes
	reread  rereader
}

// describeRelation takes a Relation message: it comes before the first change of a table on a
// connection and after each change of the table's definition.
func (st *stream) describeRelation(ctx context.Context, body []byte) error {
	m := message{buf: body}
	r, err := m.relation()
	if err != nil {
		return err
	}
	if known, ok := st.relations[r.oid]; ok && (known == nil || bytes.Equal(known.message, body)) {
		return nil
	}
	st.last, st.lastOID = nil, 0
	index, ok := st.streams[r.oid]
	if !ok { // published, but of no stream of ours: one that left the manifest
		st.relations[r.oid] = nil
		return nil
	}
	rel, err := st.compileRelation(ctx, index, &r)
	if err != nil {
		return fmt.Errorf("%s: %w", st.source.streamSubject(index), err)
	}
	rel.message = bytes.Clone(body)
	st.relations[r.oid] = rel
	return nil
}

// compileRelation makes the encoder of a relation and registers its contract.
func (st *stream) compileRelation(ctx context.Context, index int, r *relationMessage) (*relation, error) {
	side, err := st.sideConn(ctx)
	if err != nil {
		return nil, err
	}
	sh := &shape{stream: index, oid: r.oid, schema: r.schema, table: r.table, columns: r.columns, partitioned: st.partitioned[r.oid]}
	if err := sh.keyOf(ctx, side, r.identity); err != nil {
		return nil, err
	}
	if err := sh.resolveTypes(ctx, side, &typeCatalog{}); err != nil {
		return nil, err
	}
	c, err := st.source.contract(sh, -1)
	if err != nil {
		return nil, err
	}
	rel := &relation{encoder: st.source.newRowEncoder(sh), full: r.identity == identityFull, before: st.source.system.Streams[index].Before}
	if rel.encoder.ids, err = st.out.Contract(ctx, c); err != nil {
		return nil, err
	}
	rel.reread = newRereader(sh)
	return rel, nil
}

// errKeyGone is returned for changes from a time when their table had no key. No later mend gives
// them one, so only a new snapshot leads on; Discover asks the owner for the key before it.
var errKeyGone = fmt.Errorf("the table had lost its primary key when it was changed: %w", ingest.ErrPositionLost)

// keyOf sets the key of a shape whose columns come from a Relation message: the columns of the
// replica identity; with FULL, where all columns are, the primary key if there is one.
func (s *shape) keyOf(ctx context.Context, conn *pgx.Conn, identity byte) error {
	var names []string
	if identity == identityFull {
		key, err := keyColumns(ctx, conn, s.oid)
		if err != nil {
			return err
		}
		for _, k := range key {
			if !slices.Contains(s.names(), k) {
				key = nil
				break
			}
		}
		names = key
	} else {
		for _, c := range s.columns {
			if c.key {
				names = append(names, c.name)
			}
		}
		if len(names) == 0 {
			return errKeyGone
		}
	}
	s.setKey(names)
	return nil
}

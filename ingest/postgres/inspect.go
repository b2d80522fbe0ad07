package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tributary/ingest"
)

// An inspection is all that Discover and Check look at.
type inspection struct {
	server server
	tables []*table // by stream; nil where the table is missing
	faults []*fault
}

// inspect looks at server, tables and publication and gathers every fault at once.
func (s *source) inspect(ctx context.Context, conn *pgx.Conn) (*inspection, error) {
	v, err := s.readServer(ctx, conn)
	if err != nil {
		return nil, err
	}
	in := &inspection{server: v, faults: v.faults(s.subject())}
	if v.version < 120000 {
		return in, nil // its catalogs are others
	}
	types := &typeCatalog{}
	seen := map[uint32]int{}
	for i := range s.system.Streams {
		t, faults, err := s.inspectTable(ctx, conn, i, &v, types)
		if err != nil {
			return nil, err
		}
		in.tables = append(in.tables, t)
		in.faults = append(in.faults, faults...)
		if t == nil {
			continue
		}
		if other, twice := seen[t.oid]; twice {
			in.faults = append(in.faults, &fault{Subject: s.streamSubject(i),
				Problem: "stream " + s.system.Streams[other].ID() + " reads the same table",
				Mend:    "keep one of the two streams; several contributions may read it"})
		}
		seen[t.oid] = i
	}
	faults, err := s.publicationFaults(ctx, conn, in)
	in.faults = append(in.faults, faults...)
	return in, err
}

func (s *source) inspectTable(ctx context.Context, conn *pgx.Conn, stream int, v *server, types *typeCatalog) (*table, []*fault, error) {
	t, err := s.findTable(ctx, conn, stream)
	if code := sqlState(err); code == "22023" || code == "42602" { // no identifier
		return nil, []*fault{{Subject: s.streamSubject(stream), Problem: "the table's name is no SQL name",
			Mend: `write schema.table, with quotes where letters are not small: public.mara, "Odd Schema"."T"`}}, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if t == nil {
		f, err := s.missingTable(ctx, conn, stream)
		return nil, []*fault{f}, err
	}
	if err := t.loadColumns(ctx, conn, types); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", s.streamSubject(stream), err)
	}
	faults := t.faults(s.streamSubject(stream), v.role, v.version)
	if len(t.columns) == 0 {
		faults = append(faults, &fault{Subject: s.streamSubject(stream), Problem: "it has no columns that are published", Mend: "ALTER TABLE … ADD COLUMN …;"})
	}
	return t, faults, nil
}

// err joins the faults, each as *ingest.Fault.
func (in *inspection) err() error {
	errs := make([]error, len(in.faults))
	for i, f := range in.faults {
		errs[i] = f
	}
	return errors.Join(errs...)
}

// Discover describes the streams' tables; see ingest.Source. It changes nothing upstream.
func (s *source) Discover(ctx context.Context) ([]ingest.Contract, error) {
	conn, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer closeConn(ctx, conn)
	in, err := s.inspect(ctx, conn)
	if err != nil {
		return nil, err
	}
	if err := in.err(); err != nil {
		return nil, err
	}
	contracts := make([]ingest.Contract, 0, len(in.tables))
	for _, t := range in.tables {
		c, err := s.contract(&t.shape, t.rows)
		if err != nil {
			return nil, err
		}
		contracts = append(contracts, c)
	}
	return contracts, nil
}

// closeConn says goodbye to the server even when ctx has ended; the server needs no more than
// the closed socket, so an error is of no interest.
func closeConn(ctx context.Context, conn interface{ Close(context.Context) error }) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	_ = conn.Close(ctx)
}

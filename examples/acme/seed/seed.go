// Package seed fills the databases of the example mesh and keeps changing them as a business
// would. All that it writes is derived from the products' numbers and one seed, so that two runs
// give the same rows.
package seed

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"tributary/examples/acme"
)

// MaxProducts is the largest size: beyond it, ids would grow by a digit and EANs run out.
const MaxProducts = 800_000

// chunk is how many products one transaction seeds.
const chunk = 5_000

// seedLock is the advisory lock under which a database is seeded by one process at a time.
const seedLock = 7_263_001

//go:embed sql
var scripts embed.FS

// ErrSize is returned for a number of products that is not from 1 to MaxProducts.
var ErrSize = errors.New("the number of products is out of range")

// Progress says how many products of a database are there.
type Progress struct {
	Database    string // erp, pim, wms
	Done, Total int
}

// Seed makes the tables and fills them with the given number of products and what goes with them:
// 16.7 rows a product over the three databases. It goes on where an earlier run ended, adds what
// is missing to a smaller size, and does nothing to a larger one. progress may be nil; it is
// called by several goroutines.
func Seed(ctx context.Context, db acme.Databases, products int, progress func(Progress)) error {
	if products < 1 || products > MaxProducts {
		return fmt.Errorf("%w: %d products; ask for 1 to %d", ErrSize, products, MaxProducts)
	}
	if progress == nil {
		progress = func(Progress) {}
	}
	group, ctx := errgroup.WithContext(ctx)
	for name, url := range urls(db) {
		group.Go(func() error {
			if err := seedDatabase(ctx, name, url, products, progress); err != nil {
				return fmt.Errorf("seed %s: %w", name, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// urls are the databases by the names of their scripts.
func urls(db acme.Databases) map[string]string {
	return map[string]string{"erp": db.ERP, "pim": db.PIM, "wms": db.WMS}
}

func seedDatabase(ctx context.Context, name, url string, products int, progress func(Progress)) (err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	if _, err := conn.Exec(ctx, "select pg_advisory_lock($1)", seedLock); err != nil {
		return err
	}
	if err := makeTables(ctx, conn, name); err != nil {
		return err
	}
	rows, err := statements(name)
	if err != nil {
		return err
	}
	var upto int
	if err := conn.QueryRow(ctx, "select upto from seed.progress").Scan(&upto); err != nil {
		return err
	}
	for upto < products {
		next := min(upto+chunk, products)
		if err := seedChunk(ctx, conn, rows, upto+1, next); err != nil {
			return err
		}
		upto = next
		progress(Progress{Database: name, Done: upto, Total: products})
	}
	progress(Progress{Database: name, Done: products, Total: products})
	return analyze(ctx, conn)
}

// analyze gives the planner true counts, which snapshots use for their progress too.
func analyze(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, "analyze")
	return err
}

func makeTables(ctx context.Context, conn *pgx.Conn, name string) error {
	for _, file := range []string{"common", name} {
		text, err := scripts.ReadFile("sql/" + file + ".sql")
		if err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, string(text)); err != nil {
			return fmt.Errorf("run %s.sql: %w", file, err)
		}
	}
	return nil
}

// seedChunk inserts what belongs to products from to to, and notes it, in one transaction.
func seedChunk(ctx context.Context, conn *pgx.Conn, rows []string, from, to int) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for _, sql := range rows {
			if _, err := tx.Exec(ctx, sql, from, to); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, "update seed.progress set upto = $1", to)
		return err
	})
}

// statements are the inserts of a database, each with the first and last product as parameters.
func statements(name string) ([]string, error) {
	text, err := scripts.ReadFile("sql/" + name + "_rows.sql")
	if err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(strings.TrimSpace(string(text)), ";"), ";\n"), nil
}

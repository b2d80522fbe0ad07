package seed

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"tributary/examples/acme"
)

const (
	// waiting bounds the changes that wait for a database; what comes while it is down and the
	// queue is full does not happen, as in life.
	waiting     = 256
	changeLimit = 10 * time.Second
	maxRetry    = 2 * time.Second
	pace        = 5 * time.Millisecond // the finest step of the clock
)

// ErrNotSeeded is returned by Run for a database without products: call Seed first.
var ErrNotSeeded = errors.New("the database holds no products")

// A Workload changes the seeded databases as a business would: prices move, goods come and go,
// products are renamed, dropped and taken up again, bins change hands, orders arrive, and every
// three seconds ERP and PIM begin to disagree about something. The changes are drawn from one
// generator: the same seed plans the same changes in the same order.
type Workload struct {
	Databases acme.Databases
	// Rate is the number of transactions a second, over all databases; 0: 20.
	Rate float64
	Seed uint64
	Log  zerolog.Logger

	committed, failed, dropped atomic.Int64
}

// Counts are what became of the changes so far.
type Counts struct {
	Committed int64 // transactions
	Failed    int64 // refused by a database, or lost with its connection
	Dropped   int64 // not tried, because a database was down for long
}

// Counts may be called while Run runs.
func (w *Workload) Counts() Counts {
	return Counts{Committed: w.committed.Load(), Failed: w.failed.Load(), Dropped: w.dropped.Load()}
}

// Run changes the databases until ctx ends, and then returns nil. A database that is down holds
// up its own changes only.
func (w *Workload) Run(ctx context.Context) error {
	if w.Rate <= 0 {
		w.Rate = 20
	}
	plan, err := w.plan(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("begin the workload: %w", err)
	}
	group, ctx := errgroup.WithContext(ctx)
	queues := map[string]chan change{}
	for name, url := range urls(w.Databases) {
		queue := make(chan change, waiting)
		queues[name] = queue
		group.Go(func() error {
			w.carryOut(ctx, name, url, queue)
			return nil
		})
	}
	group.Go(func() error {
		w.feed(ctx, plan, queues)
		return nil
	})
	return group.Wait()
}

// plan looks at the databases, waiting for those that are down.
func (w *Workload) plan(ctx context.Context) (*business, error) {
	products, _, err := w.look(ctx, "erp", w.Databases.ERP, "select 0::bigint where false")
	if err != nil {
		return nil, err
	}
	_, noERP, err := w.look(ctx, "erp", w.Databases.ERP, missingIn("material", "matnr"))
	if err != nil {
		return nil, err
	}
	_, noPIM, err := w.look(ctx, "pim", w.Databases.PIM, missingIn("product", "identifier"))
	if err != nil {
		return nil, err
	}
	return newBusiness(w.Seed, products, max(1, int(3*w.Rate)), map[string][]int64{"erp": noERP, "pim": noPIM})
}

// missingIn finds products that an earlier run dropped.
func missingIn(table, key string) string {
	return fmt.Sprintf(`select i from generate_series(1, (select upto from seed.progress)) i
		where not exists (select from %s where %s = seed.sku(i)) order by i limit %d`, table, key, maxAway)
}

// look reads the number of products and a list of their numbers.
func (w *Workload) look(ctx context.Context, name, url, list string) (products int64, numbers []int64, err error) {
	conn, err := w.connect(ctx, name, url)
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	if err := conn.QueryRow(ctx, "select upto from seed.progress").Scan(&products); err != nil {
		return 0, nil, fmt.Errorf("%w: %s: %w", ErrNotSeeded, name, err)
	}
	rows, err := conn.Query(ctx, list)
	if err != nil {
		return 0, nil, err
	}
	numbers, err = pgx.CollectRows(rows, pgx.RowTo[int64])
	return products, numbers, err
}

// connect tries until it succeeds or ctx ends.
func (w *Workload) connect(ctx context.Context, name, url string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("the URL of database %s cannot be read; write postgres://user:password@host:port/name", name)
	}
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = 50*time.Millisecond, maxRetry
	return backoff.Retry(ctx, func() (*pgx.Conn, error) {
		return pgx.ConnectConfig(ctx, config)
	}, backoff.WithBackOff(wait), backoff.WithMaxElapsedTime(0), backoff.WithNotify(func(err error, next time.Duration) {
		w.Log.Warn().Err(err).Str("database", name).Dur("retry", next).Msg("the workload waits for a database")
	}))
}

// feed hands out changes at the rate, catching up where the clock ran ahead.
func (w *Workload) feed(ctx context.Context, plan *business, queues map[string]chan change) {
	tick := time.NewTicker(max(pace, time.Duration(float64(time.Second)/w.Rate)))
	defer tick.Stop()
	begin, planned := time.Now(), 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for due := int(time.Since(begin).Seconds() * w.Rate); planned < due; planned++ {
			next := plan.next()
			select {
			case queues[next.database] <- next:
			default:
				w.dropped.Add(1)
			}
		}
	}
}

// carryOut runs the changes of one database, each in a transaction.
func (w *Workload) carryOut(ctx context.Context, name, url string, queue <-chan change) {
	var conn *pgx.Conn
	defer func() {
		if conn != nil {
			_ = conn.Close(context.WithoutCancel(ctx)) // nothing is under way on it
		}
	}()
	for {
		var next change
		select {
		case <-ctx.Done():
			return
		case next = <-queue:
		}
		if conn == nil || conn.IsClosed() {
			var err error
			if conn, err = w.connect(ctx, name, url); err != nil {
				return // ctx has ended
			}
		}
		err := next.run(ctx, conn)
		switch {
		case err == nil:
			w.committed.Add(1)
		case ctx.Err() == nil:
			w.failed.Add(1)
			w.Log.Warn().Err(err).Str("database", name).Str("change", next.what).Msg("a change of the workload failed")
		}
	}
}

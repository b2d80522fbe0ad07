package seed

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/jackc/pgx/v5"
)

// maxAway bounds the products that a system has dropped at a time, and maxOpen the disagreements
// that are open.
const (
	maxAway = 40
	maxOpen = 12
)

// A change is one transaction on one database.
type change struct {
	database, what string
	statements     []statement
}

type statement struct {
	sql  string
	args []any
}

// with adds a statement.
func (c change) with(sql string, args ...any) change {
	c.statements = append(c.statements, statement{sql, args})
	return c
}

// run sends all statements at once; a batch without transaction control is one transaction.
func (c change) run(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, changeLimit)
	defer cancel()
	var batch pgx.Batch
	for _, s := range c.statements {
		batch.Queue(s.sql, s.args...)
	}
	return conn.SendBatch(ctx, &batch).Close()
}

// business draws changes. It remembers what it has dropped and set at odds, to mend it later.
type business struct {
	random   *rand.Rand
	products int64
	every    int // a disagreement comes each so many changes
	planned  int
	away     map[string][]int64 // products that a database has dropped, oldest first
	open     []disagreement
	rows     map[string][]string // the inserts that take a product up again
	kinds    []kind
	weights  int
}

// A kind is a sort of change and how often it comes.
type kind struct {
	weight int
	plan   func() change
}

func newBusiness(seed uint64, products int64, every int, away map[string][]int64) (*business, error) {
	if products < 1 {
		return nil, ErrNotSeeded
	}
	b := &business{
		random: rand.New(rand.NewPCG(seed, 0x7472696275746172)), products: products,
		every: every, away: away, rows: map[string][]string{},
	}
	for _, name := range []string{"erp", "pim"} {
		rows, err := statements(name)
		if err != nil {
			return nil, err
		}
		b.rows[name] = rows
	}
	b.kinds = []kind{
		{24, b.prices}, {22, b.move}, {16, b.sale}, {6, b.receipt}, {4, b.delivery}, {4, b.stocktaking},
		{6, b.rename}, {2, b.retranslate}, {2, b.weigh}, {2, b.renumber},
		{8, b.order}, {6, b.advance}, {1, b.cancel}, {2, b.customer},
		{6, b.bin}, {2, b.flag}, {3, b.drop},
	}
	for _, k := range b.kinds {
		b.weights += k.weight
	}
	return b, nil
}

// next plans the next change.
func (b *business) next() change {
	b.planned++
	if b.planned%b.every == 0 {
		return b.disagree()
	}
	pick := b.random.IntN(b.weights)
	for _, k := range b.kinds {
		if pick -= k.weight; pick < 0 {
			return k.plan()
		}
	}
	return b.prices()
}

// product draws the number of a product; a few are far more in motion than most.
func (b *business) product() int64 {
	if b.random.IntN(5) == 0 {
		return 1 + b.random.Int64N(min(b.products, 50))
	}
	return 1 + b.random.Int64N(b.products)
}

// sku is the id of a product, as seed.sku gives it.
func sku(product int64) string { return fmt.Sprintf("SKU-%d", 100000+product) }

func one[T any](b *business, of ...T) T { return of[b.random.IntN(len(of))] }

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	"tributary/examples/acme"
	"tributary/examples/acme/oracle"
	"tributary/examples/acme/seed"
)

// wholeCheck is the number of products up to which every field of every view is compared; beyond
// it, that takes longer and more memory than what is measured.
const wholeCheck = 5_000

// A shop is the example's three databases, filled.
type shop struct {
	*databases
	products int
	rows     int               // of all captured tables
	prices   map[string]string // of the products that have a view, by sku; once they are read
}

// seededShop starts the three servers over their kept folder and fills them as far as an earlier
// run did not.
func (r *rig) seededShop(ctx context.Context, products int) (*shop, error) {
	d, err := r.servers(ctx, filepath.Join(r.kept, fmt.Sprintf("acme-%d", products)), "erp", "pim", "wms")
	s := &shop{databases: d, products: products}
	if err != nil {
		return s, err
	}
	r.say("seeding %s products (kept for later runs)", grouped(products))
	if err := seed.Seed(ctx, s.urls(), products, nil); err != nil {
		return s, err
	}
	if err := d.forget(ctx); err != nil {
		return s, err
	}
	for name := range d.servers {
		if err := execute(ctx, d.url(name), "checkpoint"); err != nil {
			return s, err
		}
		n, err := countRows(ctx, d.url(name))
		if err != nil {
			return s, err
		}
		s.rows += n
	}
	return s, nil
}

func (s *shop) urls() acme.Databases {
	return acme.Databases{ERP: s.url("erp"), PIM: s.url("pim"), WMS: s.url("wms")}
}

// countRows counts the rows of all tables in the schema public.
func countRows(ctx context.Context, url string) (rows int, err error) {
	err = query(ctx, url, func(conn *pgx.Conn) error {
		found, err := conn.Query(ctx, "select tablename from pg_tables where schemaname = 'public'")
		if err != nil {
			return err
		}
		tables, err := pgx.CollectRows(found, pgx.RowTo[string])
		if err != nil {
			return err
		}
		for _, name := range tables {
			var n int
			if err := conn.QueryRow(ctx, "select count(*) from "+pgx.Identifier{"public", name}.Sanitize()).Scan(&n); err != nil {
				return err
			}
			rows += n
		}
		return nil
	})
	return rows, err
}

// published counts, in SQL, the entities of each view.
func (s *shop) published(ctx context.Context) (map[string]int, error) {
	counts := map[string]int{}
	for plural, q := range map[string]struct{ database, sql string }{
		"products":  {"erp", "select count(*) from material where lvorm = ''"},
		"variants":  {"pim", "select count(*) from variant"},
		"prices":    {"erp", "select count(*) from price_condition"},
		"customers": {"erp", "select count(*) from customer"},
		"orders":    {"erp", "select count(*) from sales_order"},
		"lines":     {"erp", "select count(*) from sales_order_line"},
	} {
		var n int
		err := query(ctx, s.url(q.database), func(conn *pgx.Conn) error { return conn.QueryRow(ctx, q.sql).Scan(&n) })
		if err != nil {
			return nil, fmt.Errorf("count %s: %w", plural, err)
		}
		counts[plural] = n
	}
	return counts, nil
}

// check compares what the gateway answers with the databases: all of it where they are small,
// else the number of entities of each view and some products' fields.
func (s *shop) check(ctx context.Context, gateway string) error {
	if s.products <= wholeCheck {
		differences, err := oracle.Compare(ctx, http.DefaultClient, gateway, s.urls())
		if err == nil && len(differences) > 0 {
			err = fmt.Errorf("%d differences, the first: %s", len(differences), differences[0])
		}
		return err
	}
	counts, err := s.published(ctx)
	if err != nil {
		return err
	}
	for plural, want := range counts {
		if err := checkTotal(ctx, gateway, plural, want); err != nil {
			return err
		}
	}
	return s.checkProducts(ctx, gateway)
}

// checkProducts compares some products with their rows in the ERP and the WMS.
func (s *shop) checkProducts(ctx context.Context, gateway string) error {
	for n := range checkedItems {
		sku := fmt.Sprintf("SKU-%d", 100001+n*(s.products-1)/(checkedItems-1))
		var price, currency string
		var stock int
		err := query(ctx, s.url("erp"), func(conn *pgx.Conn) error {
			return conn.QueryRow(ctx, "select netpr::text, waers from material where matnr = $1 and lvorm = ''", sku).Scan(&price, &currency)
		})
		if errors.Is(err, pgx.ErrNoRows) {
			continue // flagged for deletion: it has no view
		}
		if err == nil {
			err = query(ctx, s.url("wms"), func(conn *pgx.Conn) error {
				return conn.QueryRow(ctx, "select sum(on_hand) from stock where sku = $1", sku).Scan(&stock)
			})
		}
		if err != nil {
			return err
		}
		body, err := get(ctx, gateway+"/v1/products/"+sku)
		if err != nil {
			return err
		}
		var got struct {
			Price, Currency string
			Stock           int
		}
		if err := json.Unmarshal(body, &got); err != nil {
			return fmt.Errorf("%s: %w: %.300s", sku, err, body)
		}
		if got.Price != price || got.Currency != currency || got.Stock != stock {
			return fmt.Errorf("%s has %+v, want %s %s and %d pieces", sku, got, price, currency, stock)
		}
	}
	return nil
}

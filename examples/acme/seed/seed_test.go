package seed_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"tributary/deploy/postgres/pgtest"
	"tributary/examples/acme"
	"tributary/examples/acme/seed"
)

var pg pgtest.Shared

func TestMain(m *testing.M) { os.Exit(pg.Main(m)) }

func databases(t *testing.T) acme.Databases {
	t.Helper()
	srv := pg.Server(t)
	return acme.Databases{ERP: pgtest.Database(t, srv), PIM: pgtest.Database(t, srv), WMS: pgtest.Database(t, srv)}
}

// value gives the one text that a query answers.
func value(t *testing.T, url, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var out string
	if err := conn.QueryRow(t.Context(), sql).Scan(&out); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return out
}

// tables are what each database seeds.
func tables(db acme.Databases) map[string][]string {
	return map[string][]string{
		db.ERP: {"material", "price_condition", "customer", "sales_order", "sales_order_line"},
		db.PIM: {"product", "product_text", "variant"},
		db.WMS: {"stock", "bin"},
	}
}

// each gives what a query answers for every table, by the table's name; %s in it is the table.
func each(t *testing.T, db acme.Databases, sql string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for url, names := range tables(db) {
		for _, name := range names {
			out[name] = value(t, url, fmt.Sprintf(sql, name))
		}
	}
	return out
}

func TestSizesAndShapes(t *testing.T) {
	db := databases(t)
	if err := seed.Seed(t.Context(), db, 1000, nil); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"material": "1000", "price_condition": "2506", "customer": "20", "sales_order": "50", "sales_order_line": "123",
		"product": "1000", "product_text": "4000", "variant": "3000", "stock": "5000", "bin": "50",
	}
	if got := each(t, db, "select count(*)::text from public.%s"); !maps.Equal(got, want) {
		t.Errorf("rows: %v, want %v", got, want)
	}
	for _, c := range []struct{ name, url, sql, want string }{
		{"markets a product", db.ERP, "select min(n)::text || ' ' || max(n) from (select count(*) n from price_condition group by matnr) x", "2 3"},
		{"orders of nobody", db.ERP, "select count(*)::text from sales_order o where not exists (select from customer c where c.kunnr = o.kunnr)", "0"},
		{"a known EAN", db.PIM, "select seed.ean(400638133393)", "4006381333931"},
		{"distinct EANs", db.PIM, "select (count(distinct ean) = count(*))::text from variant", "true"},
	} {
		if got := value(t, c.url, c.sql); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestSeedGoesOnAndIsTheSameEveryTime(t *testing.T) {
	whole, parts := databases(t), databases(t)
	if err := seed.Seed(t.Context(), whole, 6001, nil); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{137, 5999, 6001, 6001, 20} {
		if err := seed.Seed(t.Context(), parts, n, nil); err != nil {
			t.Fatal(err)
		}
	}
	digest := "select md5(string_agg(r::text, ' ' order by r::text)) from public.%s r"
	if a, b := each(t, whole, digest), each(t, parts, digest); !maps.Equal(a, b) {
		t.Errorf("seeding in parts gave other rows than at once:\n%v\n%v", b, a)
	}
}

func TestSizeOutOfRange(t *testing.T) {
	for _, n := range []int{0, -1, seed.MaxProducts + 1} {
		if err := seed.Seed(t.Context(), acme.Databases{}, n, nil); !errors.Is(err, seed.ErrSize) {
			t.Errorf("Seed of %d products: %v, want ErrSize", n, err)
		}
	}
}

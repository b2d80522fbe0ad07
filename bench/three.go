package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// three are the databases of the three-row mesh, filled.
type three struct {
	*databases
	entities int
}

// seededThree starts the three servers over their kept folder and fills them unless an earlier
// run did. The rows of number i are a function of i alone, so that answers can be checked.
func (r *rig) seededThree(ctx context.Context, use string, entities int) (*three, error) {
	d, err := r.servers(ctx, filepath.Join(r.kept, fmt.Sprintf("%s-%d", use, entities)), "erp", "pim", "wms")
	t := &three{d, entities}
	if err != nil {
		return t, err
	}
	for name, fill := range threeTables() {
		if err := t.fill(ctx, name, fill); err != nil {
			return t, fmt.Errorf("seed %s: %w", name, err)
		}
	}
	return t, d.forget(ctx)
}

// A table is made and filled with rows 1 to $ROWS.
type table struct{ create, insert string }

func threeTables() map[string]table {
	return map[string]table{
		"erp": {`create table if not exists item (sku text primary key, price numeric(12,2) not null, currency text not null,
				brand text, buyer text, changed_at timestamptz not null)`,
			`insert into item select 'SKU-' || i, 1 + i / 100.0, 'EUR', 'erp brand ' || i % 50, 'buyer ' || i % 40,
				timestamptz '2026-01-01 00:00:00Z' + i * interval '1 second' from generate_series(1, $ROWS) i`},
		"pim": {`create table if not exists item (sku text primary key, name text not null, description text, brand text,
				listed boolean not null)`,
			`insert into item select 'SKU-' || i, 'Item number ' || i, 'What can be said of item number ' || i || ' in a sentence or two. '
				|| repeat('It is sturdy and light. ', 6), case when i % 10 > 0 then 'brand ' || i % 50 end, i % 12 > 0
				from generate_series(1, $ROWS) i`},
		"wms": {`create table if not exists item (sku text primary key, on_hand int not null, bin text, counted_at timestamptz)`,
			`insert into item select 'SKU-' || i, i % 500, 'BIN-' || i % 9000, timestamptz '2026-02-01 06:00:00Z' + i * interval '1 minute'
				from generate_series(1, $ROWS) i`},
	}
}

func (t *three) fill(ctx context.Context, name string, rows table) error {
	return query(ctx, t.url(name), func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, rows.create); err != nil {
			return err
		}
		var have int
		if err := conn.QueryRow(ctx, "select count(*) from item").Scan(&have); err != nil || have == t.entities {
			return err
		}
		for _, sql := range []string{"truncate item", strings.ReplaceAll(rows.insert, "$ROWS", strconv.Itoa(t.entities)), "vacuum (analyze) item", "checkpoint"} {
			if _, err := conn.Exec(ctx, sql); err != nil {
				return err
			}
		}
		return nil
	})
}

// env gives the variables that the manifest refers to.
func (t *three) env() []string {
	return []string{"ERP_DATABASE_URL=" + t.url("erp"), "PIM_DATABASE_URL=" + t.url("pim"), "WMS_DATABASE_URL=" + t.url("wms")}
}

// item is what the gateway must answer for an entity.
type item struct {
	SKU, Price, Currency, Name, Brand string
	Listed                            bool
	Stock                             int
}

// wantItem is the entity number i.
func wantItem(i int) item {
	want := item{SKU: fmt.Sprintf("SKU-%d", i), Price: fmt.Sprintf("%d.%02d", 1+i/100, i%100), Currency: "EUR",
		Name: fmt.Sprintf("Item number %d", i), Brand: fmt.Sprintf("brand %d", i%50), Listed: i%12 > 0, Stock: i % 500}
	if i%10 == 0 { // the PIM says nothing, the ERP comes second
		want.Brand = fmt.Sprintf("erp brand %d", i%50)
	}
	return want
}

// checkedItems is how many entities are compared field by field.
const checkedItems = 50

// check compares what the gateway answers with what the databases hold.
func (t *three) check(ctx context.Context, gateway string) error {
	if err := checkTotal(ctx, gateway, "items", t.entities); err != nil {
		return err
	}
	for n := range checkedItems {
		i := 1 + n*(t.entities-1)/(checkedItems-1)
		body, err := get(ctx, fmt.Sprintf("%s/v1/items/SKU-%d", gateway, i))
		if err != nil {
			return err
		}
		var got item
		if err := json.Unmarshal(body, &got); err != nil {
			return fmt.Errorf("item %d: %w: %.300s", i, err, body)
		}
		if want := wantItem(i); got != want {
			return fmt.Errorf("item %d is %+v, want %+v", i, got, want)
		}
	}
	return nil
}

// checkTotal compares the number of entities in a list.
func checkTotal(ctx context.Context, gateway, plural string, want int) error {
	var got struct {
		Data   map[string]struct{ TotalCount int }
		Errors []struct{ Message string }
	}
	body, err := ask(ctx, gateway, fmt.Sprintf("{ %s(first: 1) { totalCount } }", plural), nil)
	if err == nil {
		err = json.Unmarshal(body, &got)
	}
	if err != nil {
		return fmt.Errorf("count %s: %w", plural, err)
	}
	if len(got.Errors) > 0 {
		return errors.New("count " + plural + ": " + got.Errors[0].Message)
	}
	if n := got.Data[plural].TotalCount; n != want {
		return fmt.Errorf("%d %s can be read, want %d", n, plural, want)
	}
	return nil
}

// ask sends a GraphQL document and gives the answer's body.
func ask(ctx context.Context, gateway, document string, variables map[string]any) ([]byte, error) {
	body, err := json.Marshal(map[string]any{"query": document, "variables": variables})
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, gateway+"/graphql", strings.NewReader(string(body)))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	return answer(request)
}

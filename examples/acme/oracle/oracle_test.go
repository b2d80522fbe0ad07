package oracle_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/deploy/postgres/pgtest"
	"tributary/examples/acme"
	"tributary/examples/acme/oracle"
	"tributary/examples/acme/seed"
)

var pg pgtest.Shared

func TestMain(m *testing.M) { os.Exit(pg.Main(m)) }

func seeded(t *testing.T, products int) acme.Databases {
	t.Helper()
	srv := pg.Server(t)
	db := acme.Databases{ERP: pgtest.Database(t, srv), PIM: pgtest.Database(t, srv), WMS: pgtest.Database(t, srv)}
	if err := seed.Seed(t.Context(), db, products, nil); err != nil {
		t.Fatal(err)
	}
	return db
}

func exec(t *testing.T, url string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, sql := range statements {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

func expected(t *testing.T, db acme.Databases) oracle.Views {
	t.Helper()
	views, err := oracle.Expected(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	return views
}

// handMade is a product whose every field is known.
func handMade(t *testing.T) acme.Databases {
	t.Helper()
	db := seeded(t, 60)
	exec(t, db.ERP, `delete from material where matnr = 'SKU-100001'`,
		`insert into material values ('SKU-100001', 'Alt', 'Erp', 12.5, 'CHF', 1.5, '01', '', '2020-02-03', 'buyer@x', '2026-03-01 10:00:00.000001Z')`,
		`update material set lvorm = 'X' where matnr = 'SKU-100002'`,
		`update material set lvorm = '' where matnr = 'SKU-100003'`,
		`insert into sales_order_line values (1, 10, 'x', 1, 1)`)
	exec(t, db.PIM, `delete from product where identifier = 'SKU-100001'`,
		`insert into product values ('SKU-100001', null, '4006381333931', false, 1.25, 'editor@x', 99, 'EUR', '2026-03-01 10:00:00.000001Z')`,
		`delete from product_text where identifier = 'SKU-100001'`,
		`insert into product_text values ('SKU-100001', 'de', 'Neu', null), ('SKU-100001', 'fr', null, null)`)
	exec(t, db.WMS, `delete from stock where sku in ('SKU-100001', 'SKU-100003')`, `update bin set sku = null`,
		`insert into stock values ('SKU-100001', 'ZRH', 3, null, '2026-01-01Z'), ('SKU-100001', 'MUC', 0, '2026-12-24', '2026-01-02 03:04:05.5Z')`,
		`insert into bin values ('B1', 'SKU-100001', 7), ('B2', 'SKU-100001', 5)`)
	return db
}

func TestProductFollowsTheRules(t *testing.T) {
	views := expected(t, handMade(t))
	want := oracle.Fields{
		"sku": "SKU-100001", "price": "12.50", "currency": "CHF", "brand": "Erp", "ean": "4006381333931",
		"status": "phaseout", "listed": false, "created": "2020-02-03",
		"name": map[string]string{"de": "Neu"}, "description": nil,
		"weight": "1.500", "contact": "buyer@x", // equal times: erp.material is the lesser stream
		"stock": json.Number("3"), "locations": json.Number("2"), "delivery": "2026-12-24",
		"bins": json.Number("2"), "binned": json.Number("12"),
	}
	got := views["product"]["SKU-100001"]
	if at := got["counted"].(time.Time); !at.Equal(time.Date(2026, 1, 2, 3, 4, 5, 5e8, time.UTC)) {
		t.Errorf("counted = %v", at)
	}
	delete(got, "counted")
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("product:\n got %v\nwant %v", got, want)
	}
	if _, ok := views["product"]["SKU-100002"]; ok {
		t.Error("a product that the ERP has flagged is expected")
	}
	if got := views["product"]["SKU-100003"]; got["stock"] != nil || got["bins"] != json.Number("0") {
		t.Errorf("without rows: stock %v, bins %v; want null and 0", got["stock"], got["bins"])
	}
	if _, ok := views["order"]["1"]; ok {
		t.Error("an order of lines alone is expected")
	}
}

// rest renders a view as the gateway would.
func rest(t *testing.T, view map[string]oracle.Fields) []json.RawMessage {
	t.Helper()
	var items []json.RawMessage
	for _, id := range slices.Sorted(maps.Keys(view)) {
		item, err := json.Marshal(view[id])
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, item)
	}
	return items
}

// gateway serves views page by page, with the page's first index as cursor.
func gateway(t *testing.T, views map[string][]json.RawMessage) *httptest.Server {
	t.Helper()
	const size = 7
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		items := views[strings.TrimPrefix(r.URL.Path, "/v1/")]
		from, _ := strconv.Atoi(r.URL.Query().Get("after"))
		answer := map[string]any{"items": items[from:min(from+size, len(items))], "next": nil}
		if from+size < len(items) {
			answer["next"] = strconv.Itoa(from + size)
		}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

func TestCompareFindsEveryDifference(t *testing.T) {
	db := handMade(t)
	views := expected(t, db)
	served := map[string][]json.RawMessage{}
	for entity, view := range views {
		served[entity+"s"] = rest(t, view)
	}
	server := gateway(t, served)
	compare := func() []string {
		t.Helper()
		out, err := oracle.Compare(t.Context(), server.Client(), server.URL, db)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if out := compare(); len(out) != 0 {
		t.Fatalf("equal views differ: %q", out)
	}
	broken := views["product"]["SKU-100001"]
	broken["price"] = "12.51"
	broken["name"] = map[string]string{"de": "Neu", "fr": ""}
	broken["extra"] = 1
	served["products"] = rest(t, views["product"])
	lines := served["lines"]
	served["lines"] = append(lines[1:], lines[1], json.RawMessage(`{"id":"9-9"}`))
	got := compare()
	want := []string{
		"line 1-10 is missing",
		"line 500001-10 is there twice",
		"line 9-9 is there and should not be",
		"product SKU-100001 has name = map[de:Neu fr:], want map[de:Neu]",
		"product SKU-100001 has price = 12.51, want 12.50",
		"product SKU-100001 has a field extra that it should not have",
	}
	if !slices.Equal(got, want) {
		t.Errorf("differences:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Package oracle says what every view of the example mesh must equal when the databases are at
// rest. It is written from the meaning of mesh.yaml, in SQL and one join, and shares no code with
// the product, so that the two can be held against each other.
package oracle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"tributary/examples/acme"
)

// Fields are the values of one entity by field: nil, string, bool, json.Number, time.Time, or
// map[string]string for all locales of a localized field. Decimals and dates are strings.
type Fields map[string]any

// Views are the published entities by their ids as text, by entity.
type Views map[string]map[string]Fields

// whole are the entities whose view one statement gives; its columns are the fields, the first
// of them the id.
func whole(db acme.Databases) map[string]struct{ url, sql string } {
	return map[string]struct{ url, sql string }{
		"variant": {db.PIM, `select sku, product, colour, size, ean from variant`},
		"price": {db.ERP, `select matnr || '-' || market as id, matnr as product, market, amount::text as amount,
			waers as currency, valid_from::text as since from price_condition`},
		"customer": {db.ERP, `select kunnr as id, name, email, city, country, credit_limit::text as credit,
			created_on::text as since from customer`},
		// Lines alone do not publish an order: its customer is required.
		"order": {db.ERP, `select o.vbeln as id, kunnr as customer, status, waers as currency, ordered_at as placed,
			l.total::text as total, l.pieces
			from sales_order o left join (
				select vbeln, sum(amount) as total, sum(quantity) as pieces from sales_order_line group by vbeln
			) l using (vbeln)`},
		"line": {db.ERP, `select vbeln::text || '-' || posnr as id, vbeln as order, posnr as position, sku as variant,
			quantity, amount::text as amount from sales_order_line`},
	}
}

// Expected computes every view of the mesh.
func Expected(ctx context.Context, db acme.Databases) (Views, error) {
	views := Views{}
	for entity, q := range whole(db) {
		rows, err := query(ctx, q.url, q.sql)
		if err != nil {
			return nil, fmt.Errorf("expected view %s: %w", entity, err)
		}
		views[entity] = rows
	}
	products, err := products(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("expected view product: %w", err)
	}
	views["product"] = products
	return views, nil
}

// query gives the rows of a statement by their first column.
func query(ctx context.Context, url, sql string) (rows map[string]Fields, err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	result, err := conn.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	defer result.Close()
	rows = map[string]Fields{}
	names := result.FieldDescriptions()
	for result.Next() {
		values, err := result.Values()
		if err != nil {
			return nil, err
		}
		row := make(Fields, len(values))
		for i, v := range values {
			row[names[i].Name] = plain(v)
		}
		rows[fmt.Sprint(row[names[0].Name])] = row
	}
	return rows, result.Err()
}

// plain brings a column's value to one of the kinds of Fields.
func plain(v any) any {
	switch v := v.(type) {
	case int32:
		return json.Number(strconv.FormatInt(int64(v), 10))
	case int64:
		return json.Number(strconv.FormatInt(v, 10))
	case map[string]any: // a JSON object of titles by locale
		texts := make(map[string]string, len(v))
		for locale, text := range v {
			texts[locale] = fmt.Sprint(text)
		}
		return texts
	}
	return v
}

// sources are the parts of a product, each by its id.
type sources struct{ erp, pim, names, bodies, stock, bins map[string]Fields }

func readSources(ctx context.Context, db acme.Databases) (*sources, error) {
	const texts = `select identifier, jsonb_object_agg(locale, %[1]s) as texts
		from product_text where %[1]s is not null group by identifier`
	var s sources
	group, ctx := errgroup.WithContext(ctx)
	for _, part := range []struct {
		into     *map[string]Fields
		url, sql string
	}{
		{&s.erp, db.ERP, `select matnr, netpr::text as price, waers as currency, brand, ntgew::text as weight, buyer, changed_at,
			case when mstae = '' then 'active' else 'phaseout' end as status, ersda::text as created
			from material where lvorm = ''`},
		{&s.pim, db.PIM, `select identifier, brand, ean, enabled, weight::text as weight, editor, updated_at from product`},
		{&s.names, db.PIM, fmt.Sprintf(texts, "title")},
		{&s.bodies, db.PIM, fmt.Sprintf(texts, "body")},
		{&s.stock, db.WMS, `select sku, sum(on_hand) as stock, count(on_hand) as locations,
			min(next_delivery)::text as delivery, max(counted_at) as counted from stock group by sku`},
		{&s.bins, db.WMS, `select sku, count(quantity) as bins, sum(quantity) as binned from bin where sku is not null group by sku`},
	} {
		group.Go(func() (err error) {
			*part.into, err = query(ctx, part.url, part.sql)
			return err
		})
	}
	return &s, group.Wait()
}

// products joins the three systems. The price is required and the ERP owns it, so the products
// that the ERP lists and has not flagged are those that are published.
func products(ctx context.Context, db acme.Databases) (map[string]Fields, error) {
	s, err := readSources(ctx, db)
	if err != nil {
		return nil, err
	}
	out := make(map[string]Fields, len(s.erp))
	for sku, erp := range s.erp {
		pim, stock, bins := s.pim[sku], s.stock[sku], s.bins[sku]
		out[sku] = Fields{
			"sku":   sku,
			"price": erp["price"], "currency": erp["currency"], // owner: erp, as a group
			"status": erp["status"], "created": erp["created"],
			"name": s.names[sku]["texts"], "description": s.bodies[sku]["texts"], // owner: pim
			"brand": first(pim["brand"], erp["brand"]), // priority: pim, erp
			"ean":   pim["ean"], "listed": pim["enabled"],
			"weight":  newest(erp, pim, erp["weight"], pim["weight"]), // most_recent
			"contact": newest(erp, pim, erp["buyer"], pim["editor"]),
			"stock":   stock["stock"], "locations": count(stock["locations"]), // sum, count
			"delivery": stock["delivery"], "counted": stock["counted"], // min, max
			"bins": count(bins["bins"]), "binned": bins["binned"],
		}
	}
	return out, nil
}

// first is the first value that is not null.
func first(values ...any) any {
	for _, v := range values {
		if v != nil {
			return v
		}
	}
	return nil
}

// count is a count in which no row at all is 0.
func count(v any) any {
	if v == nil {
		return json.Number("0")
	}
	return v
}

// newest is the value of the row that changed last; of equal times erp.material comes before
// pim.product. A null does not take part.
func newest(erp, pim Fields, fromERP, fromPIM any) any {
	if fromERP == nil || fromPIM == nil {
		return first(fromERP, fromPIM)
	}
	if pim["updated_at"].(time.Time).After(erp["changed_at"].(time.Time)) {
		return fromPIM
	}
	return fromERP
}

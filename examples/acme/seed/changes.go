package seed

import "fmt"

// A disagreement is between ERP and PIM about a product.
type disagreement struct {
	product  int64
	database string
	settle   string // the statement that ends it
}

// prices raises or lowers the prices of up to five products, in all markets.
func (b *business) prices() change {
	c := change{database: "erp", what: "prices"}
	for range 1 + b.random.IntN(5) {
		id, factor := sku(b.product()), fmt.Sprintf("%.2f", 0.90+b.random.Float64()*0.21)
		c = c.with(`update material set netpr = least(9999, greatest(1, round(netpr * $2::text::numeric, 2))), changed_at = now() where matnr = $1`, id, factor)
		c = c.with(`update price_condition set amount = least(9999, greatest(1, round(amount * $2::text::numeric, 2))), valid_from = current_date where matnr = $1`, id, factor)
	}
	return c
}

func (b *business) warehouse() string { return one(b, "ZRH", "MUC", "MXP", "LYS", "VIE") }

// move takes goods from one warehouse to another: their sum never changes.
func (b *business) move() change {
	return change{database: "wms", what: "move"}.with(`with taken as (
		  update stock set on_hand = on_hand - $4 where sku = $1 and warehouse = $2 and warehouse <> $3 and on_hand >= $4 returning 1)
		update stock set on_hand = on_hand + $4 where sku = $1 and warehouse = $3 and exists (select from taken)`,
		sku(b.product()), b.warehouse(), b.warehouse(), 1+b.random.IntN(9))
}

func (b *business) sale() change {
	return change{database: "wms", what: "sale"}.with(
		`update stock set on_hand = greatest(0, on_hand - $3) where sku = $1 and warehouse = $2`,
		sku(b.product()), b.warehouse(), 1+b.random.IntN(3))
}

func (b *business) receipt() change {
	return change{database: "wms", what: "receipt"}.with(
		`update stock set on_hand = on_hand + $3, next_delivery = null where sku = $1 and warehouse = $2`,
		sku(b.product()), b.warehouse(), 10+b.random.IntN(40))
}

func (b *business) delivery() change {
	return change{database: "wms", what: "delivery"}.with(
		`update stock set next_delivery = current_date + $3::int where sku = $1 and warehouse = $2`,
		sku(b.product()), b.warehouse(), 1+b.random.IntN(60))
}

func (b *business) stocktaking() change {
	return change{database: "wms", what: "stocktaking"}.with(
		`update stock set on_hand = $3, counted_at = now() where sku = $1 and warehouse = $2`,
		sku(b.product()), b.warehouse(), b.random.IntN(60))
}

// bin gives a bin to another article, empties it, or changes what lies in it.
func (b *business) bin() change {
	id := fmt.Sprintf("BIN-%d", 10001+b.random.Int64N((b.products+19)/20))
	c := change{database: "wms", what: "bin"}
	switch b.random.IntN(5) {
	case 0:
		return c.with(`update bin set sku = null, quantity = 0 where id = $1`, id)
	case 1:
		return c.with(`update bin set quantity = $2 where id = $1`, id, b.random.IntN(80))
	}
	return c.with(`update bin set sku = $2, quantity = $3 where id = $1`, id, sku(b.product()), 1+b.random.IntN(80))
}

func (b *business) locale() string { return one(b, "de", "en", "fr", "it") }

const touch = `update product set updated_at = now() where identifier = $1`

func (b *business) rename() change {
	product, locale := b.product(), b.locale()
	return change{database: "pim", what: "rename"}.
		with(`update product_text set title = seed.title($1, $2) || $3 where identifier = seed.sku($1) and locale = $2`,
			product, locale, one(b, "", " Pro", " II", " Light", fmt.Sprintf(" %d", 2020+b.random.IntN(9)))).
		with(touch, sku(product))
}

// retranslate deletes a text and inserts it again in one transaction.
func (b *business) retranslate() change {
	product, locale := b.product(), b.locale()
	return change{database: "pim", what: "retranslate"}.
		with(`delete from product_text where identifier = $1 and locale = $2`, sku(product), locale).
		with(`insert into product_text select $1, $2, seed.title($3, $2), $4 where exists (select from product where identifier = $1)`,
			sku(product), locale, product, one(b, "Neu.", "Nouveau.", "Nuovo.", "New."))
}

// weigh measures a product anew in one of the two systems: the newest counts.
func (b *business) weigh() change {
	weight := fmt.Sprintf("%.3f", 0.08+4*b.random.Float64())
	if b.random.IntN(2) == 0 {
		return change{database: "erp", what: "weigh"}.with(
			`update material set ntgew = $2::text::numeric, changed_at = now() where matnr = $1`, sku(b.product()), weight)
	}
	return change{database: "pim", what: "weigh"}.with(
		`update product set weight = $2::text::numeric, updated_at = now() where identifier = $1`, sku(b.product()), weight)
}

// renumber changes a primary key, there or back.
func (b *business) renumber() change {
	return change{database: "pim", what: "renumber"}.with(
		`update variant set sku = case when sku like '%R' then left(sku, -1) else sku || 'R' end where sku in ($1, $1 || 'R')`,
		fmt.Sprintf("%s-%d", sku(b.product()), 1+b.random.IntN(3)))
}

// order lets a customer order up to four articles. Its numbers lie above the seeded ones.
func (b *business) order() change {
	var posnr, quantity []int32
	var article, amount []string
	for i := range 1 + b.random.IntN(4) {
		posnr = append(posnr, int32(10*(i+1)))
		article = append(article, fmt.Sprintf("%s-%d", sku(b.product()), 1+b.random.IntN(3)))
		quantity = append(quantity, int32(1+b.random.IntN(5)))
		amount = append(amount, fmt.Sprintf("%d.95", 5+b.random.IntN(900)))
	}
	return change{database: "erp", what: "order"}.with(`with head as (
		  insert into sales_order select greatest(max(vbeln), 9000000) + 1, $1, 'open', $2, now() from sales_order returning vbeln)
		insert into sales_order_line select vbeln, l.* from head,
		  unnest($3::int[], $4::text[], $5::int[], $6::text[]::numeric[]) l`,
		b.buyer(), one(b, "EUR", "CHF"), posnr, article, quantity, amount)
}

func (b *business) buyer() int64 { return 10001 + b.random.Int64N((b.products+49)/50) }

// advance moves an order that is not paid to its next status.
func (b *business) advance() change {
	return change{database: "erp", what: "advance"}.with(`update sales_order
		set status = case status when 'open' then 'picked' when 'picked' then 'shipped' else 'paid' end
		where vbeln = (select vbeln from sales_order where status <> 'paid' order by vbeln limit 1 offset $1)`, b.random.IntN(20))
}

// cancel deletes the newest open order with its lines.
func (b *business) cancel() change {
	return change{database: "erp", what: "cancel"}.with(`with head as (
		  delete from sales_order where vbeln = (select max(vbeln) from sales_order where status = 'open') returning vbeln)
		delete from sales_order_line l using head where l.vbeln = head.vbeln`)
}

func (b *business) customer() change {
	return change{database: "erp", what: "customer"}.with(`update customer set city = $2, credit_limit = $3::text::numeric where kunnr = $1`,
		b.buyer(), one(b, "Zürich", "Basel", "Köln", "Nice", "Linz"), fmt.Sprintf("%d.00", 500*(1+b.random.IntN(40))))
}

// flag marks a material for deletion, or takes the mark away.
func (b *business) flag() change {
	return change{database: "erp", what: "flag"}.with(
		`update material set lvorm = case when lvorm = '' then 'X' else '' end, changed_at = now() where matnr = $1`, sku(b.product()))
}

// drop deletes a product from ERP or PIM, or takes up again the one that was dropped first.
func (b *business) drop() change {
	database := one(b, "erp", "pim")
	away := b.away[database]
	if len(away) > 0 && (len(away) >= maxAway || b.random.IntN(2) == 0) {
		b.away[database] = away[1:]
		c := b.leave(database, away[0]) // the drop may have been lost in an outage
		c.what = "take up"
		for _, sql := range b.rows[database] {
			c = c.with(sql, away[0], away[0])
		}
		return c
	}
	product := b.product()
	b.away[database] = append(away, product)
	return b.leave(database, product)
}

// leave deletes a product with what hangs on it.
func (b *business) leave(database string, product int64) change {
	c := change{database: database, what: "drop"}
	if database == "erp" {
		return c.with(`delete from price_condition where matnr = $1`, sku(product)).
			with(`delete from material where matnr = $1`, sku(product))
	}
	return c.with(`delete from variant where product = $1`, sku(product)).
		with(`delete from product_text where identifier = $1`, sku(product)).
		with(`delete from product where identifier = $1`, sku(product))
}

// disagree sets ERP and PIM at odds about a brand or a price, or settles the oldest case.
func (b *business) disagree() change {
	if len(b.open) > 0 && (len(b.open) >= maxOpen || b.random.IntN(3) == 0) {
		d := b.open[0]
		b.open = b.open[1:]
		return change{database: d.database, what: "settle"}.with(d.settle, d.product)
	}
	product := b.product()
	if b.random.IntN(2) == 0 {
		b.open = append(b.open, disagreement{product, "erp",
			`update material set brand = seed.brand($1), changed_at = now() where matnr = seed.sku($1)`})
		return change{database: "erp", what: "disagree"}.with(
			`update material set brand = seed.brand($1) || ' (Import)', changed_at = now() where matnr = seed.sku($1)`, product)
	}
	b.open = append(b.open, disagreement{product, "pim",
		`update product set list_price = null, list_currency = null, updated_at = now() where identifier = seed.sku($1)`})
	return change{database: "pim", what: "disagree"}.with(
		`update product set list_price = $2::text::numeric, list_currency = 'EUR', updated_at = now() where identifier = seed.sku($1)`,
		product, fmt.Sprintf("%d.90", 10+b.random.IntN(400)))
}

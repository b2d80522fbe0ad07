-- Products $1 to $2. One in 97 names another brand than the PIM does.
insert into public.material
select seed.sku(i),
       seed.title(i, 'de'),
       seed.brand(case when i % 97 = 0 then i + 1 else i end),
       (9 + seed.pick(i, 21, 490)) + (array[0.90, 0.95, 0.50, 0.00])[1 + seed.pick(i, 22, 4)],
       case when seed.pick(i, 23, 5) = 0 then 'CHF' else 'EUR' end,
       seed.weight(i),
       case when seed.pick(i, 24, 20) = 0 then '01' else '' end,
       case when seed.pick(i, 25, 200) = 0 then 'X' else '' end,
       date '2019-01-01' + seed.pick(i, 26, 2500),
       seed.email(seed.person(i % 40, 31)),
       timestamptz '2026-01-01 00:00:00Z' + seed.pick(i, 27, 2000000000) * interval '3 milliseconds 1 microsecond'
from generate_series($1::bigint, $2::bigint) i
on conflict do nothing;

-- Two or three markets a product.
insert into public.price_condition
select seed.sku(i), m.market, round((9 + seed.pick(i, 21, 490)) * m.factor, 2), m.waers,
       date '2026-01-01' + seed.pick(i, m.salt, 90)
from generate_series($1::bigint, $2::bigint) i,
     (values ('DE', 'EUR', 1.00, 41, 1), ('CH', 'CHF', 1.12, 42, 1), ('AT', 'EUR', 1.02, 43, 6),
             ('FR', 'EUR', 1.05, 44, 6), ('IT', 'EUR', 0.98, 45, 6)) m(market, waers, factor, salt, one_in)
where m.one_in = 1 or seed.pick(i, 46, 6) = m.salt - 43
on conflict do nothing;

-- A customer for every fifty products.
insert into public.customer
select 10000 + k, p.person, seed.email(p.person),
       (array['Zürich','München','Milano','Lyon','Wien','Bern','Hamburg','Torino','Paris','Graz'])[1 + c.city],
       (array['CH','DE','IT','FR','AT','CH','DE','IT','FR','AT'])[1 + c.city],
       case when seed.pick(k, 52, 10) = 0 then null else 500.00 * (1 + seed.pick(k, 53, 40)) end,
       date '2018-01-01' + seed.pick(k, 54, 2900)
from generate_series(($1::bigint + 48) / 50 + 1, ($2::bigint + 49) / 50) k,
     lateral (select seed.person(k, 33) as person) p,
     lateral (select seed.pick(k, 51, 10) as city) c
on conflict do nothing;

-- An order for every twenty products.
insert into public.sales_order
select 500000 + k, 10001 + seed.pick(k, 61, (20 * k + 30) / 50),
       (array['open','picked','shipped','paid','paid','paid'])[1 + seed.pick(k, 62, 6)],
       case when seed.pick(k, 63, 3) = 0 then 'CHF' else 'EUR' end,
       timestamptz '2026-01-05 08:00:00Z' + k * interval '97 seconds'
from generate_series(($1::bigint + 18) / 20 + 1, ($2::bigint + 19) / 20) k
on conflict do nothing;

-- One to four lines an order.
insert into public.sales_order_line
select 500000 + k, 10 * l, seed.sku(p.i) || '-' || 1 + seed.pick(k, 70 + l, 3), q.n,
       q.n * ((9 + seed.pick(p.i, 21, 490)) + 0.95)
from generate_series(($1::bigint + 18) / 20 + 1, ($2::bigint + 19) / 20) k,
     generate_series(1, 4) l,
     lateral (select 1 + seed.pick(k, 80 + l, 20 * k - 19) as i) p,
     lateral (select 1 + seed.pick(k, 90 + l, 5) as n) q
where l <= 1 + seed.pick(k, 64, 4)
on conflict do nothing;

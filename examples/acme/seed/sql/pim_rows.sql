-- Products $1 to $2. One in 33 has no brand here, one in 4 no weight. One in 40 has another weight
-- than in the ERP, one in 29 another contact, one in 211 a planner's draft price.
insert into public.product
select seed.sku(i),
       case when seed.pick(i, 101, 33) = 0 then null else seed.brand(i) end,
       seed.ean(400000000000 + i),
       seed.pick(i, 102, 12) <> 0,
       case when seed.pick(i, 103, 4) = 0 then null
            when seed.pick(i, 105, 40) = 0 then seed.weight(i) + 0.010 else seed.weight(i) end,
       seed.email(case when seed.pick(i, 106, 29) = 0 then seed.person(i % 25, 35) else seed.person(i % 40, 31) end),
       case when i % 211 = 0 then (9 + seed.pick(i, 21, 490)) * 1.10 end,
       case when i % 211 = 0 then 'EUR' end,
       timestamptz '2026-01-01 00:00:00Z' + seed.pick(i, 104, 2000000000) * interval '3 milliseconds 1 microsecond'
from generate_series($1::bigint, $2::bigint) i
on conflict do nothing;

-- Four languages a product. "offset 0" makes Postgres compute a value once.
insert into public.product_text
select p.sku, l.locale, t.title, t.title || l.tail
from generate_series($1::bigint, $2::bigint) i,
     lateral (select seed.sku(i) as sku, seed.series(i) as series offset 0) p,
     (values ('de', ': robust, leicht und gemacht für lange Tage draussen.'),
             ('en', ': sturdy, light and made for long days outside.'),
             ('fr', ' : robuste, léger et conçu pour de longues journées dehors.'),
             ('it', ': robusto, leggero e fatto per lunghe giornate all''aperto.')) l(locale, tail),
     lateral (select seed.noun(i, l.locale) || ' ' || p.series as title offset 0) t
on conflict do nothing;

-- Three variants a product.
insert into public.variant
select p.sku || '-' || v, p.sku,
       (array['anthracite','moss','rust','petrol','sand','ink'])[1 + seed.pick(i, 110 + v, 6)],
       (array['S','M','L'])[v], seed.ean(e.base)
from generate_series($1::bigint, $2::bigint) i,
     lateral (select seed.sku(i) as sku offset 0) p,
     generate_series(1, 3) v,
     lateral (select 410000000000 + i * 4 + v as base offset 0) e
on conflict do nothing;

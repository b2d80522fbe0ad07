-- Products $1 to $2, in five warehouses each.
insert into public.stock
select p.sku, w.name, seed.pick(i, 200 + w.n, 60),
       case when seed.pick(i, 210 + w.n, 8) = 0 then date '2026-12-01' + seed.pick(i, 220 + w.n, 120) end,
       case when seed.pick(i, 230 + w.n, 3) > 0
            then timestamptz '2026-02-01 06:00:00Z' + seed.pick(i, 240 + w.n, 20000000) * interval '1 second' end
from generate_series($1::bigint, $2::bigint) i,
     lateral (select seed.sku(i) as sku offset 0) p,
     (values (1, 'ZRH'), (2, 'MUC'), (3, 'MXP'), (4, 'LYS'), (5, 'VIE')) w(n, name)
on conflict do nothing;

-- A bin for every twenty products; one in fifteen is empty.
insert into public.bin
select 'BIN-' || 10000 + k,
       case when seed.pick(k, 251, 15) > 0 then seed.sku(1 + seed.pick(k, 252, 20 * k - 19)) end,
       seed.pick(k, 253, 80)
from generate_series(($1::bigint + 18) / 20 + 1, ($2::bigint + 19) / 20) k
on conflict do nothing;

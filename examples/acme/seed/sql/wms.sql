create table if not exists public.stock (
  sku           text not null,
  warehouse     text not null,
  on_hand       int not null,
  next_delivery date,
  counted_at    timestamptz,
  primary key (sku, warehouse)
);
create table if not exists public.bin (
  id       text primary key,
  sku      text,                                  -- null: empty
  quantity int not null
);
create index if not exists bin_sku on public.bin (sku);

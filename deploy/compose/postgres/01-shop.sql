-- Run once, when the database is made.
create table public.product (
  sku   text primary key,
  title text not null,
  price numeric(12,2)
);
insert into public.product values
  ('SKU-1', 'Trekking backpack Fjord 45', 149.90),
  ('SKU-2', 'Rain jacket Nimbus', 219.00),
  ('SKU-3', 'Head torch Polar', 39.50);

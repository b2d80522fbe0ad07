create table if not exists public.product (
  identifier    text primary key,
  brand         text,
  ean           text,
  enabled       boolean not null,
  weight        numeric(10,3),
  editor        text,
  list_price    numeric(12,2),                    -- a planner's draft
  list_currency text,
  updated_at    timestamptz not null
);
create table if not exists public.product_text (
  identifier text not null,
  locale     text not null,
  title      text,
  body       text,
  primary key (identifier, locale)
);
create table if not exists public.variant (
  sku     text primary key,
  product text not null,
  colour  text,
  size    text,
  ean     text
);

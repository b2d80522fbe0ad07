create table if not exists public.material (
  matnr      text primary key,
  maktx      text not null,                       -- short text, in German
  brand      text,
  netpr      numeric(12,2) not null,
  waers      text not null,
  ntgew      numeric(10,3),                       -- net weight, kg
  mstae      text not null default '',            -- status: '' active, '01' phased out
  lvorm      text not null default '',            -- 'X': flagged for deletion
  ersda      date not null,
  buyer      text,
  changed_at timestamptz not null
);
create table if not exists public.price_condition (
  matnr      text not null,
  market     text not null,
  amount     numeric(12,2) not null,
  waers      text not null,
  valid_from date not null,
  primary key (matnr, market)
);
create table if not exists public.customer (
  kunnr        bigint primary key,
  name         text not null,
  email        text not null,
  city         text,
  country      text not null,
  credit_limit numeric(12,2),
  created_on   date not null
);
create table if not exists public.sales_order (
  vbeln      bigint primary key,
  kunnr      bigint not null,
  status     text not null,
  waers      text not null,
  ordered_at timestamptz not null
);
create table if not exists public.sales_order_line (
  vbeln    bigint not null,
  posnr    int not null,
  sku      text not null,
  quantity int not null,
  amount   numeric(12,2) not null,
  primary key (vbeln, posnr)
);

-- Every database keeps how far it is seeded, so that a second run goes on where it was.
create schema if not exists seed;

create table if not exists seed.progress (
  one  boolean primary key default true check (one),
  upto bigint not null
);
insert into seed.progress (upto) values (0) on conflict do nothing;

-- A number from 0 to n−1 that looks random and is the same in every run.
create or replace function seed.pick(i bigint, salt int, n bigint) returns int
  language sql immutable parallel safe
  return abs(hashint8extended(i, salt) % n)::int;

-- The id of product number i.
create or replace function seed.sku(i bigint) returns text
  language sql immutable parallel safe
  return 'SKU-' || 100000 + i;

-- A GTIN-13: twelve digits and the check digit of the GS1 General Specifications, section 7.9.
create or replace function seed.ean(n bigint) returns text
  language sql immutable parallel safe
  return n::text || (10 - (
      n / 100000000000 + n / 1000000000 % 10 + n / 10000000 % 10 + n / 100000 % 10 + n / 1000 % 10 + n / 10 % 10
    + 3 * (n / 10000000000 % 10 + n / 100000000 % 10 + n / 1000000 % 10 + n / 10000 % 10 + n / 100 % 10 + n % 10)
  ) % 10) % 10;

create or replace function seed.brand(i bigint) returns text
  language sql immutable parallel safe
  return (array['Nordwind','Alpstein','Kestrel','Brisa','Fjellheim','Montana Sud','Tarn & Fell','Roc Blanc',
    'Vela','Hochgrat','Lupino','Skarn','Orso','Cairn','Sylvan','Marèe','Birkholm','Stella Alpina','Grivel Nord',
    'Kaltwasser','Passo','Haldi','Tramonto','Weitsicht'])[1 + seed.pick(i, 11, 24)];

-- Series and size close every title, in all languages alike.
create or replace function seed.series(i bigint) returns text
  language sql immutable parallel safe
  return (array['Fjord','Alba','Kite','Tundra','Lynx','Sirocco','Ultra','Eiger','Vento','Polar','Gecko','Nimbus',
    'Orion','Delta','Falk','Terra','Zenit','Rapid','Corvo','Luna'])[1 + seed.pick(i, 12, 20)]
    || ' ' || 10 + 5 * seed.pick(i, 13, 18);

-- The noun of a title: kind number i in a language.
create or replace function seed.noun(i bigint, locale text) returns text
  language sql immutable parallel safe
  return case locale
    when 'de' then (array['Trekkingrucksack','Regenjacke','Wanderschuh','Schlafsack','Kuppelzelt','Stirnlampe',
      'Trinkflasche','Daunenweste','Kletterseil','Fleecepullover','Gaskocher','Isomatte'])[1 + seed.pick(i, 14, 12)]
    when 'en' then (array['trekking backpack','rain jacket','hiking boot','sleeping bag','dome tent','head torch',
      'water bottle','down vest','climbing rope','fleece jumper','gas stove','sleeping mat'])[1 + seed.pick(i, 14, 12)]
    when 'fr' then (array['Sac de randonnée','Veste de pluie','Chaussure de marche','Sac de couchage','Tente dôme',
      'Lampe frontale','Gourde','Gilet en duvet','Corde d''escalade','Pull polaire','Réchaud à gaz',
      'Matelas isolant'])[1 + seed.pick(i, 14, 12)]
    else (array['Zaino da trekking','Giacca antipioggia','Scarpone','Sacco a pelo','Tenda a cupola',
      'Lampada frontale','Borraccia','Gilet in piuma','Corda da arrampicata','Maglione in pile','Fornello a gas',
      'Materassino'])[1 + seed.pick(i, 14, 12)]
  end;

create or replace function seed.title(i bigint, locale text) returns text
  language sql immutable parallel safe
  return seed.noun(i, locale) || ' ' || seed.series(i);

create or replace function seed.person(i bigint, salt int) returns text
  language sql immutable parallel safe
  return (array['Anna','Luca','Mia','Noah','Giulia','Jonas','Chloé','Marco','Lea','Paul','Sofia','Emil','Nina',
    'Hugo','Elena','Felix'])[1 + seed.pick(i, salt, 16)] || ' ' ||
    (array['Keller','Rossi','Meier','Dubois','Huber','Bianchi','Weber','Moreau','Schmid','Ferrari','Baumann',
    'Laurent','Frei','Conti','Vogel','Girard'])[1 + seed.pick(i, salt + 1, 16)];

create or replace function seed.email(person text) returns text
  language sql immutable parallel safe
  return translate(lower(person), ' éè', '.ee') || '@acme.example';

create or replace function seed.weight(i bigint) returns numeric
  language sql immutable parallel safe
  return (80 + seed.pick(i, 15, 4200)) / 1000.0;

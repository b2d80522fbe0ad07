-- The newest record of each conflict: read it with FINAL.
CREATE TABLE IF NOT EXISTS conflicts (
    entity            LowCardinality(String),
    id                String,
    field             LowCardinality(String),
    locale            LowCardinality(String),
    open              Bool,
    rule              LowCardinality(String),
    winner_stream     LowCardinality(String),
    winner_source_key String,
    winner_value      String,
    losers            Array(Tuple(stream String, source_key String, value String)),
    since             Nullable(DateTime64(6, 'UTC')),
    updated           DateTime64(6, 'UTC'),
    version           UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (entity, id, field, locale)
SETTINGS non_replicated_deduplication_window = 1000;

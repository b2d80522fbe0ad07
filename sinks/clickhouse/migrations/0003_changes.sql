-- Each field change of a view, once however often it was written: read it with FINAL.
CREATE TABLE IF NOT EXISTS changes (
    changed_at      DateTime64(6, 'UTC') CODEC(Delta, ZSTD),
    change_id       String,
    entity          LowCardinality(String),
    id              String,
    field           LowCardinality(String),
    locale          LowCardinality(String),
    old             Nullable(String),
    new             Nullable(String),
    view_generation UInt32,
    view_partition  Int32,
    view_offset     Int64,
    view_n          UInt32,
    stream          LowCardinality(String),
    source_key      String,
    source_time     Nullable(DateTime64(6, 'UTC')),
    delay_ms        Nullable(Int64) MATERIALIZED dateDiff('millisecond', source_time, changed_at),
    INDEX changed changed_at TYPE minmax GRANULARITY 4
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(changed_at)
ORDER BY (entity, id, field, locale, change_id)
TTL toDateTime(changed_at) + INTERVAL 1 YEAR
SETTINGS non_replicated_deduplication_window = 1000;

-- What each stage did in a window of time, and how it stood at the window's end.
CREATE TABLE IF NOT EXISTS samples (
    ts               DateTime64(6, 'UTC') CODEC(DoubleDelta, ZSTD),
    stage            LowCardinality(String),
    system           LowCardinality(String),
    stream           LowCardinality(String),
    entity           LowCardinality(String),
    partition        Int32,
    instance         LowCardinality(String),
    window_ms        UInt32,
    records          UInt64 CODEC(T64, ZSTD),
    bytes            UInt64 CODEC(T64, ZSTD),
    errors           UInt64 CODEC(T64, ZSTD),
    lag_records      Nullable(Int64),
    lag_ms           Nullable(Int64),
    verified_through Nullable(DateTime64(6, 'UTC')),
    conflicts_open   Nullable(Int64),
    latency          Map(Int16, UInt64),
    staleness_ms     Nullable(Int64) MATERIALIZED dateDiff('millisecond', verified_through, ts)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(ts)
ORDER BY (stage, stream, entity, ts)
TTL toDateTime(ts) + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 1000;

-- The same by the minute, kept longer. Every column merges: sums, maxima, and digests weighted by
-- the time that a sample stands for.
CREATE TABLE IF NOT EXISTS sample_minutes (
    minute           DateTime('UTC') CODEC(DoubleDelta, ZSTD),
    stage            LowCardinality(String),
    system           LowCardinality(String),
    stream           LowCardinality(String),
    entity           LowCardinality(String),
    records          SimpleAggregateFunction(sum, UInt64),
    bytes            SimpleAggregateFunction(sum, UInt64),
    errors           SimpleAggregateFunction(sum, UInt64),
    observed_ms      SimpleAggregateFunction(sum, UInt64),
    unverified_ms    SimpleAggregateFunction(sum, UInt64),
    lag_records_max  SimpleAggregateFunction(max, Nullable(Int64)),
    lag_ms_max       SimpleAggregateFunction(max, Nullable(Int64)),
    staleness_ms_max SimpleAggregateFunction(max, Nullable(Int64)),
    conflicts_max    SimpleAggregateFunction(max, Nullable(Int64)),
    staleness        AggregateFunction(quantilesTDigestWeighted(0.5, 0.95, 0.99), Nullable(Int64), UInt32),
    latency          SimpleAggregateFunction(sumMap, Map(Int16, UInt64))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(minute)
ORDER BY (stage, stream, entity, system, minute)
TTL minute + INTERVAL 2 YEAR
SETTINGS non_replicated_deduplication_window = 1000;

CREATE MATERIALIZED VIEW IF NOT EXISTS sample_minutes_of_samples TO sample_minutes AS
SELECT
    toDateTime(toStartOfMinute(ts), 'UTC') AS minute, stage, system, stream, entity,
    sum(s.records) AS records, sum(s.bytes) AS bytes, sum(s.errors) AS errors,
    sum(toUInt64(window_ms)) AS observed_ms,
    sumIf(toUInt64(window_ms), verified_through IS NULL) AS unverified_ms,
    max(lag_records) AS lag_records_max, max(lag_ms) AS lag_ms_max,
    max(staleness_ms) AS staleness_ms_max, max(conflicts_open) AS conflicts_max,
    quantilesTDigestWeightedState(0.5, 0.95, 0.99)(staleness_ms, greatest(window_ms, toUInt32(1))) AS staleness,
    sumMap(s.latency) AS latency
FROM samples AS s
GROUP BY minute, stage, system, stream, entity;

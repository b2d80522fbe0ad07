package clickhouse

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"time"

	clickhouse "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// A LagRow says how far one stage is behind with one stream or view.
type LagRow struct {
	Stage, System, Stream, Entity string

	// As of the last sample of each partition: sums and worst. A part is null where it is unknown
	// for any partition, never 0.
	LagRecords      sql.NullInt64
	LagMillis       sql.NullInt64
	VerifiedThrough sql.NullTime
	LastSample      time.Time

	// Over the period, weighted by time, in ms; null where never verified.
	StalenessP50, StalenessP95, StalenessMax sql.NullFloat64

	RecordsPerSecond float64 // over the part of the period that was observed
	Errors           uint64

	// Series is the worst staleness, or where none is known the worst lag, in ms, of equal parts
	// of the period, the oldest first; NaN where nothing is known.
	Series []float64
}

// Staleness is now − verifiedThrough; ok is false where it was never verified. It grows while a
// stage is down, whatever its last sample said.
func (r LagRow) Staleness(now time.Time) (d time.Duration, ok bool) {
	return max(now.Sub(r.VerifiedThrough.Time), 0), r.VerifiedThrough.Valid
}

// seriesParts is the number of values of a LagRow's Series.
const seriesParts = 30

const lagNow = `
SELECT stage, system, stream, entity,
    if(countIf(isNull(records)) > 0, NULL, sum(records)) AS lag_records,
    if(countIf(isNull(ms)) > 0, NULL, max(ms)) AS lag_ms,
    if(countIf(isNull(verified)) > 0, NULL, min(verified)) AS verified_through,
    max(last) AS last_sample
FROM (
    SELECT stage, system, stream, entity, partition, max(ts) AS last,
        tupleElement(argMax(tuple(lag_records), ts), 1) AS records,
        tupleElement(argMax(tuple(lag_ms), ts), 1) AS ms,
        tupleElement(argMax(tuple(verified_through), ts), 1) AS verified
    FROM samples WHERE ts >= {from:DateTime64(6, 'UTC')}
    GROUP BY stage, system, stream, entity, partition
)
GROUP BY stage, system, stream, entity
ORDER BY indexOf(['ingest', 'normalize', 'resolve', 'sink'], stage), stream, entity, system`

const lagPeriod = `
SELECT stage, system, stream, entity,
    if(isNaN(digest[1]), NULL, toFloat64(digest[1])) AS p50,
    if(isNaN(digest[2]), NULL, toFloat64(digest[2])) AS p95,
    toNullable(toFloat64(worst)), rate, errors
FROM (
    SELECT stage, system, stream, entity,
        quantilesTDigestWeightedMerge(0.5, 0.95, 0.99)(staleness) AS digest,
        max(staleness_ms_max) AS worst,
        sum(records) / greatest(1, dateDiff('second', min(minute), {now:DateTime('UTC')})) AS rate,
        sum(errors) AS errors
    FROM sample_minutes WHERE minute >= {from:DateTime('UTC')}
    GROUP BY stage, system, stream, entity
)`

const lagSeries = `
SELECT stage, system, stream, entity,
    toUInt32(least({parts:UInt32} - 1, intDiv(greatest(0, dateDiff('millisecond', {from:DateTime64(6, 'UTC')}, ts)) * {parts:UInt32}, {span:UInt64}))) AS part,
    toFloat64(max(coalesce(staleness_ms, lag_ms))) AS worst
FROM samples WHERE ts >= {from:DateTime64(6, 'UTC')} AND coalesce(staleness_ms, lag_ms) IS NOT NULL
GROUP BY stage, system, stream, entity, part`

// Lag tells the lag and staleness of every stream and view over the time from now − since to
// now, in the order of the stages. What wrote no sample in that time is not listed.
func Lag(ctx context.Context, conn driver.Conn, since time.Duration) ([]LagRow, error) {
	if since < time.Second {
		return nil, fmt.Errorf("a period of %s is too short: ask for a second at least", since)
	}
	now := time.Now().UTC()
	q := lagQuery{conn: conn, from: now.Add(-since), now: now, at: map[lagKey]int{}}
	for _, step := range []func(context.Context) error{q.current, q.period, q.series} {
		if err := step(ctx); err != nil {
			return nil, fmt.Errorf("read lag from ClickHouse: %w", err)
		}
	}
	return q.rows, nil
}

type lagKey struct{ stage, system, stream, entity string }

// lagQuery gathers the rows of three queries.
type lagQuery struct {
	conn      driver.Conn
	from, now time.Time
	rows      []LagRow
	at        map[lagKey]int
}

// row is the row of a key, nil if current did not list it.
func (q *lagQuery) row(k lagKey) *LagRow {
	if i, ok := q.at[k]; ok {
		return &q.rows[i]
	}
	return nil
}

func (q *lagQuery) each(ctx context.Context, query string, take func(driver.Rows) error, args ...any) error {
	rows, err := q.conn.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := take(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (q *lagQuery) current(ctx context.Context) error {
	return q.each(ctx, lagNow, func(rows driver.Rows) error {
		var r LagRow
		if err := rows.Scan(&r.Stage, &r.System, &r.Stream, &r.Entity, &r.LagRecords, &r.LagMillis, &r.VerifiedThrough, &r.LastSample); err != nil {
			return err
		}
		r.Series = make([]float64, seriesParts)
		for i := range r.Series {
			r.Series[i] = math.NaN()
		}
		q.at[lagKey{r.Stage, r.System, r.Stream, r.Entity}] = len(q.rows)
		q.rows = append(q.rows, r)
		return nil
	}, microArg("from", q.from))
}

func (q *lagQuery) period(ctx context.Context) error {
	return q.each(ctx, lagPeriod, func(rows driver.Rows) error {
		var (
			k    lagKey
			fill LagRow
		)
		if err := rows.Scan(&k.stage, &k.system, &k.stream, &k.entity, &fill.StalenessP50, &fill.StalenessP95, &fill.StalenessMax, &fill.RecordsPerSecond, &fill.Errors); err != nil {
			return err
		}
		if r := q.row(k); r != nil {
			r.StalenessP50, r.StalenessP95, r.StalenessMax = fill.StalenessP50, fill.StalenessP95, fill.StalenessMax
			r.RecordsPerSecond, r.Errors = fill.RecordsPerSecond, fill.Errors
		}
		return nil
	}, secondArg("from", q.from.Truncate(time.Minute)), secondArg("now", q.now))
}

func (q *lagQuery) series(ctx context.Context) error {
	return q.each(ctx, lagSeries, func(rows driver.Rows) error {
		var (
			k     lagKey
			part  uint32
			worst sql.NullFloat64
		)
		if err := rows.Scan(&k.stage, &k.system, &k.stream, &k.entity, &part, &worst); err != nil {
			return err
		}
		if r := q.row(k); r != nil && worst.Valid && part < seriesParts {
			r.Series[part] = worst.Float64
		}
		return nil
	}, microArg("from", q.from), textArg("parts", seriesParts), textArg("span", q.now.Sub(q.from).Milliseconds()))
}

// microArg is a query parameter of type DateTime64(6).
func microArg(name string, t time.Time) any {
	return clickhouse.Named(name, t.UTC().Format("2006-01-02 15:04:05.000000"))
}

// secondArg is a query parameter of type DateTime.
func secondArg(name string, t time.Time) any {
	return clickhouse.Named(name, t.UTC().Format(time.DateTime))
}

// textArg is a query parameter of another type.
func textArg(name string, v any) any { return clickhouse.Named(name, fmt.Sprint(v)) }

package clickhouse

import (
	"database/sql"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"tributary/schemas"
	"tributary/topics"
)

func known(v int64) sql.NullInt64 { return sql.NullInt64{Int64: v, Valid: true} }

// history produces what two streams did in the ten minutes before now: erp.material was 2 s stale,
// and 30 s in the last minute; wms.stock was never verified.
func (b *bench) history(now time.Time) (count uint64) {
	b.t.Helper()
	for i := range 60 {
		at := now.Add(time.Duration(i-60) * 10 * time.Second)
		stale := 2 * time.Second
		if i >= 54 {
			stale = 30 * time.Second
		}
		for p := range int32(2) {
			s := topics.Sample{SeriesKey: topics.SeriesKey{Stage: topics.StageResolve, System: "erp", Stream: "erp.material", Entity: "product", Partition: p},
				Time: at.UnixMicro(), Instance: "a", Window: 10_000, Records: 50, Errors: int64(p), LagRecords: known(int64(p) + 3), LagMillis: known(40),
				VerifiedThrough: known(at.Add(-stale).UnixMicro()), Latency: []topics.Bucket{{Index: topics.BucketOf(100 * time.Millisecond), Count: 49}, {Index: topics.BucketOf(time.Hour), Count: 1}}}
			unverified := s
			unverified.System, unverified.Stream, unverified.VerifiedThrough = "wms", "wms.stock", sql.NullInt64{}
			if p == 1 {
				unverified.LagRecords = sql.NullInt64{}
			}
			b.produce(sampleRecord(s, p), sampleRecord(unverified, p))
			count += 2
		}
	}
	b.produce(conflictRecord(schemas.Conflict{ConflictKey: schemas.ConflictKey{Entity: "product", ID: "SKU-1", Field: "price"}, Open: true, Rule: "owner",
		Winner: schemas.Side{Stream: "erp.material"}, Losers: []schemas.Side{{Stream: "pim.product"}}, Since: now.UnixMicro(), Updated: now.UnixMicro()}, 0))
	b.produce(changeRecord(schemas.Change{ChangeKey: schemas.ChangeKey{Entity: "product", ID: "SKU-1"}, Field: "price",
		New: sql.NullString{String: `"9.99"`, Valid: true}, Stream: "erp.material", ChangedAt: now.UnixMicro()}, 0))
	return count
}

func TestLagAndTheQueriesOfTheGuide(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.startEngine()
	now := time.Now()
	want := b.history(now)
	cfg := b.config()
	cfg.MaxRows = 1000
	b.run(cfg)
	conn := b.conn()
	b.eventually(conn, countSamples, want)
	b.eventually(conn, "SELECT count() FROM conflicts", 1)
	b.eventually(conn, "SELECT count() FROM changes", 1)
	t.Run("lag", func(t *testing.T) { checkLag(t, conn, now) })
	t.Run("guide", func(t *testing.T) { checkGuide(t, conn) })
}

func checkLag(t *testing.T, conn driver.Conn, now time.Time) {
	rows, err := Lag(t.Context(), conn, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 2 || rows[0].Stream != "erp.material" || rows[1].Stream != "wms.stock" {
		t.Fatalf("rows %+v", rows)
	}
	erp, wms := rows[0], rows[1]
	if erp.LagRecords != known(7) || erp.LagMillis != known(40) || erp.Errors != 60 {
		t.Errorf("erp.material: %+v", erp)
	}
	if stale, ok := erp.Staleness(now); !ok || stale < 39*time.Second || stale > 41*time.Second {
		t.Errorf("erp.material is %v stale", stale)
	}
	if math.Abs(erp.StalenessP50.Float64-2000) > 1 || erp.StalenessMax.Float64 != 30_000 || erp.StalenessP95.Float64 < 2000 {
		t.Errorf("erp.material over the hour: %+v", erp)
	}
	if erp.RecordsPerSecond < 8 || erp.RecordsPerSecond > 10.1 { // 100 each 10 s, up to a minute's rounding
		t.Errorf("erp.material at %v records a second", erp.RecordsPerSecond)
	}
	if last := erp.Series[len(erp.Series)-1]; last != 30_000 || !math.IsNaN(erp.Series[0]) {
		t.Errorf("series of erp.material %v", erp.Series)
	}
	if wms.LagRecords.Valid || wms.VerifiedThrough.Valid || wms.StalenessP50.Valid || wms.StalenessMax.Valid {
		t.Errorf("what nobody knows of wms.stock is not null: %+v", wms)
	}
	if wms.Series[len(wms.Series)-1] != 40 {
		t.Errorf("series of wms.stock %v", wms.Series)
	}
}

// checkGuide runs every query of docs/analytics.md.
func checkGuide(t *testing.T, conn driver.Conn) {
	guide, err := os.ReadFile("../../docs/analytics.md")
	if err != nil {
		t.Fatal(err)
	}
	queries := regexp.MustCompile("(?s)```sql\n(.*?)```").FindAllStringSubmatch(string(guide), -1)
	if len(queries) < 5 {
		t.Fatalf("the guide has %d queries", len(queries))
	}
	for _, q := range queries {
		rows, err := conn.Query(t.Context(), q[1])
		if err != nil {
			t.Errorf("%v in %s", err, q[1])
			continue
		}
		n := 0
		for rows.Next() {
			n++
		}
		if err := rows.Err(); err != nil || n == 0 {
			t.Errorf("%d rows, %v from %s", n, err, q[1])
		}
		rows.Close()
	}
	var p50, p99 float64
	latency := strings.Replace(queries[1][1], "toDate(minute) AS day, entity,", "toDate(max(minute)) AS day, any(entity) AS entity,", 1)
	latency = strings.Replace(latency, "GROUP BY day, entity", "", 1)
	if err := conn.QueryRow(t.Context(), "SELECT p50_ms, p99_ms FROM ("+latency+")").Scan(&p50, &p99); err != nil || math.Abs(p50-100) > 4.1 || math.Abs(p99-3.6e6) > 4e6*0.041 {
		t.Errorf("latency is %v ms, %v ms (%v)", p50, p99, err)
	}
}

func TestSpark(t *testing.T) {
	nan := math.NaN()
	for want, values := range map[string][]float64{
		"":         nil,
		"▁▁":       {0, 0},
		"▁▅█":      {0, 0.5, 1},
		" ▁ █":     {nan, 0, nan, 7},
		"   ":      {nan, nan, nan},
		"▁▂▃▄▅▆▇█": {0, 1, 2, 3, 4, 5, 6, 7},
	} {
		if got := Spark(values); got != want {
			t.Errorf("%v is drawn as %q, want %q", values, got, want)
		}
	}
}

package clickhouse

import (
	"database/sql"
	"math/big"
	"net/netip"
	"reflect"
	"testing"
	"time"

	clickhouse "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"
	"github.com/shopspring/decimal"
)

const everyType = `CREATE TABLE types (
	i8 Int8, u64 UInt64, i256 Int256, f64 Float64, b Bool, s String, fs FixedString(3), lc LowCardinality(String),
	lcn LowCardinality(Nullable(String)), ns Nullable(String), ni Nullable(Int64), d Date, dt DateTime('UTC'),
	dt6 DateTime64(6, 'UTC'), ndt Nullable(DateTime64(6, 'UTC')), dec Decimal(38, 4), dec9 Decimal(9, 2),
	e Enum8('a' = -1, 'it''s, (b)' = 2), u UUID, ip IPv4, ip6 IPv6, a Array(Array(String)), an Array(Nullable(Int32)),
	alc Array(LowCardinality(String)), m Map(Int16, UInt64), mlc Map(LowCardinality(String), Array(UInt8)),
	t Tuple(name String, n Nullable(Int32)), sa SimpleAggregateFunction(sumMap, Map(Int16, UInt64))
) ENGINE = MergeTree ORDER BY i8 SETTINGS non_replicated_deduplication_window = 10`

// typesRow is a row of the table; n picks its values.
func typesRow(n int) []any {
	at := time.Date(2026, 2, 28, 23, 59, 59, 123456000, time.UTC)
	text, number := "x\ny", int64(-5)
	row := []any{int8(n), uint64(1) << 63, new(big.Int).Lsh(big.NewInt(-3), 200), 1.5, true, "a\x00\nß", "abc", "one",
		&text, &text, &number, at.Truncate(24 * time.Hour), at.Truncate(time.Second),
		at, &at, decimal.RequireFromString("-1234567890123456789012.3456"), decimal.RequireFromString("1.25"),
		"it's, (b)", uuid.MustParse("01234567-89ab-cdef-0123-456789abcdef"), netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1"),
		[][]string{{"a", ""}, {}}, []*int32{nil, new(int32)}, []string{"x", "y", "x"}, map[int16]uint64{1: 2, -3: 4},
		map[string][]uint8{"k": {1, 2}}, []any{"n", nil}, map[int16]uint64{7: 8}}
	if n%2 == 0 {
		row[8], row[9], row[10], row[14] = (*string)(nil), (*string)(nil), (*int64)(nil), (*time.Time)(nil)
		row[5], row[7], row[21], row[22], row[23] = "", "two", [][]string{}, []*int32{}, []string{}
		row[24], row[25] = map[int16]uint64{}, map[string][]uint8{}
	}
	return row
}

func TestEveryTypeComesBackThroughTheClient(t *testing.T) {
	p := startEngine(t, t.TempDir())
	setup := dial(t, p, clickhouse.CompressionLZ4)
	if err := setup.Exec(t.Context(), everyType); err != nil {
		t.Fatal(err)
	}
	const rows = 10
	for i, method := range []clickhouse.CompressionMethod{clickhouse.CompressionNone, clickhouse.CompressionLZ4, clickhouse.CompressionZSTD, clickhouse.CompressionGZIP} {
		conn := dial(t, p, method)
		batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO types")
		if err != nil {
			t.Fatal(err)
		}
		for n := range rows {
			if err := batch.Append(typesRow(i*rows + n)...); err != nil {
				t.Fatal(err)
			}
		}
		if err := batch.Send(); err != nil {
			t.Fatalf("compression %v: %v", method, err)
		}
	}
	for _, method := range []clickhouse.CompressionMethod{clickhouse.CompressionNone, clickhouse.CompressionLZ4, clickhouse.CompressionDeflate} {
		conn := dial(t, p, method)
		found, err := conn.Query(t.Context(), "SELECT i8, b, s, fs, lc, lcn, ns, ni, dt6, ndt, dec, e, u, a, alc, m, mlc, i256 FROM types ORDER BY i8")
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for ; found.Next(); n++ {
			var (
				i8            int8
				b             bool
				s, fs, lc, e  string
				lcn, ns       *string
				ni            *int64
				dt6           time.Time
				ndt           *time.Time
				dec           decimal.Decimal
				u             uuid.UUID
				a             [][]string
				alc           []string
				m             map[int16]uint64
				mlc           map[string][]uint8
				i256          big.Int
				want          = typesRow(n)
				got           []any
				wantOfColumns = []any{want[0], want[4], want[5], want[6], want[7], want[8], want[9], want[10], want[13], want[14], want[17], want[18], want[21], want[23], want[24], want[25]}
			)
			if err := found.Scan(&i8, &b, &s, &fs, &lc, &lcn, &ns, &ni, &dt6, &ndt, &dec, &e, &u, &a, &alc, &m, &mlc, &i256); err != nil {
				t.Fatal(err)
			}
			got = []any{i8, b, s, fs, lc, lcn, ns, ni, dt6, ndt, e, u, a, alc, m, mlc}
			if !reflect.DeepEqual(got, wantOfColumns) || !dec.Equal(want[15].(decimal.Decimal)) || i256.Cmp(want[2].(*big.Int)) != 0 {
				t.Fatalf("compression %v: row %d is\n%v, want\n%v", method, n, got, wantOfColumns)
			}
		}
		if err := found.Err(); err != nil || n != 4*rows {
			t.Fatalf("compression %v: %d rows, %v", method, n, err)
		}
	}
	all, err := setup.Query(t.Context(), "SELECT * FROM types")
	if err != nil {
		t.Fatal(err)
	}
	defer all.Close()
	if !all.Next() || len(all.Columns()) != len(typesRow(0)) {
		t.Errorf("all columns at once: %v, %v", all.Columns(), all.Err())
	}
}

func TestClientSeesParametersSettingsAndErrors(t *testing.T) {
	p := startEngine(t, t.TempDir())
	conn := dial(t, p, clickhouse.CompressionLZ4)
	var text, threads string
	ctx := clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{"max_threads": 1}))
	nasty := "it's \\ a\nb\tc {x:String} `"
	if err := conn.QueryRow(ctx, "SELECT {text:String}, toString(getSetting('max_threads'))", clickhouse.Named("text", nasty)).Scan(&text, &threads); err != nil || text != nasty || threads != "1" {
		t.Errorf("parameter %q, setting %q, %v", text, threads, err)
	}
	if err := conn.QueryRow(t.Context(), "SELECT ?, toString(getSetting('max_threads'))", nasty).Scan(&text, &threads); err != nil || text != nasty || threads == "1" {
		t.Errorf("the next request sees %q, %q of the one before, %v", text, threads, err)
	}
	var ex *clickhouse.Exception
	if err := conn.Exec(t.Context(), "SELECT nope"); !asException(err, &ex) || ex.Code != 47 {
		t.Errorf("an unknown column gives %v", err)
	}
	var none sql.NullString
	if err := conn.QueryRow(t.Context(), "SELECT 'a' WHERE 0").Scan(&none); err == nil || err.Error() != sql.ErrNoRows.Error() {
		t.Errorf("no row gives %v", err)
	}
	if err := conn.Exec(t.Context(), "SELECT * FROM file('/etc/passwd', LineAsString)"); !asException(err, &ex) || ex.Code != 497 {
		t.Errorf("a file of the machine gives %v", err)
	}
	if _, err := conn.Query(t.Context(), "SELECT sumState(1)"); !asException(err, &ex) || ex.Code != codeNotImplemented {
		t.Errorf("an aggregate's state gives %v", err)
	}
}

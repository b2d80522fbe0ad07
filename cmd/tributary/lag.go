package main

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tributary/mesh"
	"tributary/node"
	"tributary/sinks/clickhouse"
)

// A lagRow is one line of lag; what is not known is null.
type lagRow struct {
	Stage            string     `json:"stage"`
	System           string     `json:"system,omitempty"`
	Stream           string     `json:"stream,omitempty"`
	Entity           string     `json:"entity,omitempty"`
	LagRecords       *int64     `json:"lagRecords"`
	LagMs            *int64     `json:"lagMs"`
	VerifiedThrough  *time.Time `json:"verifiedThrough"`
	StalenessMs      *int64     `json:"stalenessMs"`
	LastSample       time.Time  `json:"lastSample"`
	StalenessP50Ms   *float64   `json:"stalenessP50Ms"`
	StalenessP95Ms   *float64   `json:"stalenessP95Ms"`
	StalenessMaxMs   *float64   `json:"stalenessMaxMs"`
	RecordsPerSecond float64    `json:"recordsPerSecond"`
	Errors           uint64     `json:"errors"`
	// Series is the worst staleness in ms of equal parts of the period, the oldest first.
	Series []*float64 `json:"series"`
}

func (c *cli) lag() *cobra.Command {
	var since time.Duration
	var addr string
	var streams bool
	cmd := &cobra.Command{
		Use:   "lag [NAME…]",
		Short: "Tell how far stages were behind over time",
		Long: `Tell for each stage, stream and view how far it is behind now, and how stale it was over a period:
the median, the 95th percentile and the worst, weighted by time, with its rate and errors. On a
terminal a line shows how the staleness went. NAMEs of streams and entities limit what is told.

Of resolve and sink it shows a line a view, with the worst of the view's streams; --streams shows
each of them.

The figures come from ClickHouse, to which the mesh writes its telemetry; what is not known is
shown as "-", never as 0.`,
		Example: `  tributary lag
  tributary lag --since 24h erp.material product
  tributary lag --since 10m -o json | jq '.[] | select(.stalenessP95Ms > 5000)'`,
		ValidArgsFunction: c.completeNames,
		RunE: func(cmd *cobra.Command, names []string) error {
			if since < time.Second {
				return usage("--since is %s: give a second at least", since)
			}
			rows, err := c.readLag(cmd.Context(), addr, since)
			if err != nil {
				return err
			}
			rows = slices.DeleteFunc(rows, func(r clickhouse.LagRow) bool {
				return len(names) > 0 && !slices.Contains(names, r.Stream) && !slices.Contains(names, r.Entity)
			})
			if c.json() {
				return c.printLagJSON(rows)
			}
			if !streams {
				rows = folded(rows)
			}
			c.printLag(rows, since)
			return nil
		},
	}
	cmd.Flags().DurationVar(&since, "since", time.Hour, "how far back")
	cmd.Flags().BoolVar(&streams, "streams", false, "show each stream of a view")
	cmd.Flags().StringVar(&addr, "clickhouse-addr", "", "address of the embedded ClickHouse (default: of the mesh over --data, the manifest's, "+node.DefaultAddrs.ClickHouse+")")
	return cmd
}

func (c *cli) readLag(ctx context.Context, addr string, since time.Duration) ([]clickhouse.LagRow, error) {
	m, err := c.loadUnresolved()
	if err != nil {
		return nil, err
	}
	url, err := c.analyticsURL(m, addr)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	conn, err := clickhouse.Open(ctx, url, m.Name)
	if err != nil {
		return nil, fmt.Errorf("%w\nstart the mesh with tributary up, or say where its ClickHouse is with --clickhouse-addr (or --data, its folder)", err)
	}
	defer conn.Close()
	return clickhouse.Lag(ctx, conn, since)
}

// analyticsURL finds the ClickHouse that the mesh writes to.
func (c *cli) analyticsURL(m *mesh.Mesh, addr string) (string, error) {
	switch m.Analytics.ClickHouse.Ref {
	case "none":
		return "", fmt.Errorf("the manifest of mesh %s says analytics.clickhouse: none, so nothing keeps its lag: set it to embedded; tributary status tells how things are now", m.Name)
	case mesh.Embedded:
	default:
		external, err := resolve(m.Analytics.ClickHouse, os.LookupEnv)
		return external.Reveal(), err
	}
	if addr == "" {
		running, ok, err := node.FindRunning(c.data)
		if err != nil {
			return "", err
		}
		if ok {
			addr = running.Addrs.ClickHouse
		}
	}
	if addr == "" {
		addr = m.Addrs.ClickHouse
	}
	if addr == "" {
		addr = node.DefaultAddrs.ClickHouse
	}
	if !strings.Contains(addr, "://") {
		addr = "http://" + addr
	}
	return addr, nil
}

// folded gives each view of a stage one row: its own with the worst of its streams' staleness.
func folded(rows []clickhouse.LagRow) []clickhouse.LagRow {
	type view struct{ stage, entity string }
	var out []clickhouse.LagRow
	at, streams := map[view]int{}, map[view][]clickhouse.LagRow{}
	for _, r := range rows {
		k := view{r.Stage, r.Entity}
		if r.Entity != "" && r.Stream != "" {
			streams[k] = append(streams[k], r)
			r = clickhouse.LagRow{Stage: r.Stage, Entity: r.Entity, LastSample: r.LastSample} // until its own comes
		}
		if i, known := at[k]; known && r.Entity != "" {
			if r.Series != nil {
				out[i] = r
			}
			continue
		}
		at[k] = len(out)
		out = append(out, r)
	}
	for k, parts := range streams {
		worst(&out[at[k]], parts)
	}
	return out
}

// worst sets a view's staleness to the worst of its streams'; it is unknown where one of them is.
func worst(view *clickhouse.LagRow, streams []clickhouse.LagRow) {
	most := func(a, b sql.NullFloat64) sql.NullFloat64 {
		return sql.NullFloat64{Float64: max(a.Float64, b.Float64), Valid: a.Valid && b.Valid}
	}
	errors := view.Errors
	for i, s := range streams {
		errors += s.Errors
		if i == 0 {
			view.VerifiedThrough, view.Series = s.VerifiedThrough, slices.Clone(s.Series)
			view.StalenessP50, view.StalenessP95, view.StalenessMax = s.StalenessP50, s.StalenessP95, s.StalenessMax
			continue
		}
		if s.VerifiedThrough.Time.Before(view.VerifiedThrough.Time) {
			view.VerifiedThrough.Time = s.VerifiedThrough.Time
		}
		view.VerifiedThrough.Valid = view.VerifiedThrough.Valid && s.VerifiedThrough.Valid
		view.StalenessP50, view.StalenessP95 = most(view.StalenessP50, s.StalenessP50), most(view.StalenessP95, s.StalenessP95)
		view.StalenessMax = most(view.StalenessMax, s.StalenessMax)
		for j, v := range s.Series {
			if j < len(view.Series) && (math.IsNaN(view.Series[j]) || v > view.Series[j]) {
				view.Series[j] = v
			}
		}
	}
	view.Errors = errors
}

func (c *cli) printLag(rows []clickhouse.LagRow, since time.Duration) {
	p := paintFor(c.stdout)
	if len(rows) == 0 {
		fmt.Fprintf(c.stdout, "nothing was sampled in the last %s\n", since)
		return
	}
	t := table{head: []string{"STAGE", "STREAM", "VIEW", "LAG", "BEHIND", "STALE", "P50", "P95", "MAX", "PER SECOND", "ERRORS"},
		right: map[int]bool{3: true, 4: true, 5: true, 6: true, 7: true, 8: true, 9: true, 10: true}, style: map[int]func(string) string{10: p.badUnlessZero}}
	if p.on {
		t.head = append(t.head, "STALENESS")
	}
	now := time.Now()
	for _, r := range rows {
		stale := none
		if d, ok := r.Staleness(now); ok {
			stale = span(d)
		}
		cells := []string{r.Stage, orNone(r.Stream), orNone(r.Entity), number(valid(r.LagRecords)), millis(valid(r.LagMillis)), stale,
			millisOf(r.StalenessP50), millisOf(r.StalenessP95), millisOf(r.StalenessMax), fmt.Sprintf("%.1f", r.RecordsPerSecond), fmt.Sprint(r.Errors)}
		if p.on {
			cells = append(cells, clickhouse.Spark(r.Series))
		}
		t.add(cells...)
	}
	t.write(c.stdout, p)
}

func (c *cli) printLagJSON(rows []clickhouse.LagRow) error {
	out, now := make([]lagRow, len(rows)), time.Now()
	for i, r := range rows {
		out[i] = lagRow{Stage: r.Stage, System: r.System, Stream: r.Stream, Entity: r.Entity, LagRecords: valid(r.LagRecords), LagMs: valid(r.LagMillis),
			LastSample: r.LastSample.UTC(), StalenessP50Ms: validFloat(r.StalenessP50), StalenessP95Ms: validFloat(r.StalenessP95),
			StalenessMaxMs: validFloat(r.StalenessMax), RecordsPerSecond: r.RecordsPerSecond, Errors: r.Errors, Series: make([]*float64, len(r.Series))}
		if d, ok := r.Staleness(now); ok {
			through, ms := r.VerifiedThrough.Time.UTC(), d.Milliseconds()
			out[i].VerifiedThrough, out[i].StalenessMs = &through, &ms
		}
		for j, v := range r.Series {
			out[i].Series[j] = validFloat(sql.NullFloat64{Float64: v, Valid: !math.IsNaN(v)})
		}
	}
	return c.printJSON(out)
}

func valid(n sql.NullInt64) *int64 {
	if !n.Valid {
		return nil
	}
	return &n.Int64
}

func validFloat(n sql.NullFloat64) *float64 {
	if !n.Valid {
		return nil
	}
	return &n.Float64
}

func millisOf(n sql.NullFloat64) string {
	if !n.Valid {
		return none
	}
	ms := int64(n.Float64)
	return millis(&ms)
}

func orNone(text string) string {
	if text == "" {
		return none
	}
	return text
}

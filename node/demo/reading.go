package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/serve/rest"
	"tributary/topics"
)

// A Reading is how the mesh stands at one moment.
type Reading struct {
	Streams []Row `json:"streams"`
	Views   []Row `json:"views"`
	// Committed and Failed count the transactions that the demo made on the databases.
	Committed int64 `json:"committed"`
	Failed    int64 `json:"failed"`
}

// A Row is one stream or view. What is unknown is nil, never 0.
type Row struct {
	Name        string         `json:"name"`
	State       string         `json:"state"`
	PerSecond   float64        `json:"changesPerSecond"`
	LagRecords  *int64         `json:"lagRecords"`
	StalenessMs *int64         `json:"stalenessMs"`
	DeadLetters int64          `json:"deadLetters"`
	Conflicts   *int64         `json:"conflicts,omitempty"` // of views
	Snapshot    *rest.Snapshot `json:"snapshot,omitempty"`  // of streams

	recent []float64 // changes a second at each reading, for a spark line
}

// captured says whether a stream's first snapshot is through.
func (r Row) captured() bool {
	return r.StalenessMs != nil || r.Snapshot != nil && r.Snapshot.State == "done"
}

// rows are how many rows of a stream its snapshot has read, and of how many. The estimate is the
// database's own, so what has been read may be more.
func (r Row) rows() (read, all int64) {
	if r.Snapshot == nil {
		return 0, 0
	}
	read, all = r.Snapshot.Rows, r.Snapshot.Rows
	if r.Snapshot.Estimate != nil && !r.captured() {
		all = max(all, *r.Snapshot.Estimate)
	}
	return read, all
}

// An observer reads the mesh: its state from the gateway, as anybody could, and how much goes
// through from the metrics of this process.
type observer struct {
	gateway string
	client  *http.Client
	metrics prometheus.Gatherer
	rates   map[about]*rate
}

func newObserver(gateway string, metrics prometheus.Gatherer) *observer {
	return &observer{gateway: gateway, client: &http.Client{Timeout: 2 * time.Second}, metrics: metrics, rates: map[about]*rate{}}
}

// read takes a reading.
func (o *observer) read(ctx context.Context, now time.Time) (Reading, error) {
	var r Reading
	var st rest.Status
	if _, err := get(ctx, o.client, o.gateway+"/v1/_status", &st); err != nil {
		return r, fmt.Errorf("read the mesh's status: %w", err)
	}
	records, err := o.records()
	if err != nil {
		return r, fmt.Errorf("read the mesh's metrics: %w", err)
	}
	for _, s := range st.Streams {
		row := Row{Name: s.Name, State: s.State, LagRecords: s.Lag.Records, StalenessMs: s.StalenessMs, DeadLetters: s.DeadLetters, Snapshot: s.Snapshot}
		row.PerSecond, row.recent = o.rate(about{topics.StageIngest, s.Name}, records, now)
		r.Streams = append(r.Streams, row)
	}
	for _, v := range st.Views {
		row := Row{Name: v.Name, State: v.State, LagRecords: v.Lag.Records, StalenessMs: v.StalenessMs, DeadLetters: v.DeadLetters, Conflicts: v.Conflicts}
		row.PerSecond, row.recent = o.rate(about{topics.StageSink, v.Name}, records, now)
		r.Views = append(r.Views, row)
	}
	return r, nil
}

// forget begins all rates anew: a snapshot's would dwarf what follows it.
func (o *observer) forget() { clear(o.rates) }

func (o *observer) rate(of about, records map[about]int64, now time.Time) (perSecond float64, recent []float64) {
	r := o.rates[of]
	if r == nil {
		r = &rate{}
		o.rates[of] = r
	}
	r.add(records[of], now)
	return math.Round(10*r.now()) / 10, r.recent
}

// about is what a count is about: a stage's work on a stream or a view.
type about struct {
	stage topics.Stage
	name  string
}

// records sums what the stages have handled over partitions.
func (o *observer) records() (map[about]int64, error) {
	families, err := o.metrics.Gather()
	if err != nil {
		return nil, err
	}
	sums := map[about]int64{}
	for _, f := range families {
		if f.GetName() != "tributary_records_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			of := about{topics.Stage(labels["stage"]), labels["entity"]}
			if of.name == "" {
				of.name = labels["stream"]
			}
			sums[of] += int64(m.GetCounter().GetValue())
		}
	}
	return sums, nil
}

// get reads a JSON answer; found is false for 404.
func get(ctx context.Context, client *http.Client, address string, into any) (found bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return false, err
	}
	answer, err := client.Do(req)
	if err != nil {
		return false, err
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusNotFound:
		return false, nil
	case http.StatusOK:
		return true, json.NewDecoder(answer.Body).Decode(into)
	}
	return false, fmt.Errorf("%s answers %s", address, answer.Status)
}

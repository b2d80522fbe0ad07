package crash_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"tributary/internal/crash"
)

// mesh is a source and its gateway in one: what it serves lags behind what was written.
type mesh struct {
	mu      sync.Mutex // protects the fields below
	source  map[string]int64
	view    map[string]int64
	through time.Time
	// early makes the claim run ahead of the view.
	early time.Duration
}

func (m *mesh) write(_ context.Context, key string, value int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.source[key] = value
	switch value % 4 {
	case 1: // the view catches up, and may then say so
		m.view[key] = value
		m.through = time.Now()
	case 3:
		return errors.New("the connection is gone; who knows")
	}
	return nil
}

func (m *mesh) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w.Header().Set("Tributary-State", "LIVE")
	through := m.through.Add(m.early)
	w.Header().Set("Tributary-Staleness", fmt.Sprint(max(0, time.Since(through).Milliseconds())))
	value, ok := m.view[strings.TrimPrefix(r.URL.Path, "/v1/things/")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	// The error cannot be told to anyone: the reader is gone.
	_ = json.NewEncoder(w).Encode(map[string]any{
		"value": fmt.Sprintf("%d.00", value), "_meta": map[string]any{"verifiedThrough": through},
	})
}

// run loads and reads until enough answers are in, and gives the report.
func run(t *testing.T, early time.Duration) crash.Report {
	t.Helper()
	m := &mesh{source: map[string]int64{}, view: map[string]int64{}, early: early}
	server := httptest.NewServer(m)
	defer server.Close()
	history, keys := crash.NewHistory(), []string{"a"}
	load := &crash.Load{History: history, Keys: keys, Write: m.write, Every: time.Millisecond}
	reader := &crash.Reader{History: history, Client: server.Client(), Gateway: server.URL, Plural: "things", Field: "value", Keys: keys, Readers: 2}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var group sync.WaitGroup
	group.Go(func() { _ = load.Run(ctx) })
	group.Go(func() { _ = reader.Run(ctx) })
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		<-tick.C
		if report := reader.Report(); report.Answers > 2000 || len(report.Violations) > 0 {
			cancel()
		}
	}
	group.Wait()
	if acknowledged, unknown := load.Written(); acknowledged == 0 || early == 0 && unknown == 0 {
		t.Errorf("%d acknowledged, %d unknown writes: the load did not run", acknowledged, unknown)
	}
	return reader.Report()
}

func TestHonestGatewayPasses(t *testing.T) {
	report := run(t, 0)
	if len(report.Violations) > 0 || report.Verified < 1000 {
		t.Errorf("report %+v, want 1000 verified answers without violation", report)
	}
}

func TestEarlyClaimIsFlagged(t *testing.T) {
	report := run(t, time.Hour)
	if len(report.Violations) == 0 || !strings.Contains(report.Violations[0], "before the verifiedThrough") {
		t.Errorf("report %+v, want violations of an early claim", report)
	}
}

// TestReaderReadsAnswers holds single responses against what the reader makes of them.
func TestReaderReadsAnswers(t *testing.T) {
	for _, c := range []struct{ name, staleness, state, body, want string }{
		{"no state", "1", "", `{"value": 0, "_meta": {"verifiedThrough": null}}`, "no Tributary-State"},
		{"negative staleness", "-1", "LIVE", `{}`, "Tributary-Staleness header is"},
		{"staleness beyond all time", "9223372036855", "LIVE", `{}`, "Tributary-Staleness header is"},
		{"verified 292 years ago", "9223372036854", "LIVE", `{"value": 0, "_meta": {"verifiedThrough": "1734-01-01T00:00:00Z"}}`, ""},
		{"header without meta", "1", "LIVE", `{"value": 0, "_meta": {"verifiedThrough": null}}`, "_meta.verifiedThrough is null"},
		{"no field", "", "UNKNOWN", `{"_meta": {"verifiedThrough": null}}`, "field value"},
		{"unknown freshness", "", "UNKNOWN", `{"value": 0, "_meta": {"verifiedThrough": null}}`, ""},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for name, value := range map[string]string{"Tributary-Staleness": c.staleness, "Tributary-State": c.state} {
				if value != "" {
					w.Header().Set(name, value)
				}
			}
			fmt.Fprint(w, c.body)
		}))
		history := crash.NewHistory()
		history.Try("a", 1)
		history.Acked("a", 1, time.Now())
		reader := &crash.Reader{History: history, Client: server.Client(), Gateway: server.URL, Plural: "things", Field: "value", Keys: []string{"a"}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		var group sync.WaitGroup
		group.Go(func() { _ = reader.Run(ctx) })
		tick := time.NewTicker(time.Millisecond)
		for reader.Report().Answers == 0 && ctx.Err() == nil {
			<-tick.C
		}
		tick.Stop()
		cancel()
		group.Wait()
		server.Close()
		got := strings.Join(reader.Report().Violations, "\n")
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"tributary/internal/crash"
	"tributary/internal/ports"
)

// A launch says how a tributary process is started.
type launch struct {
	manifest string
	data     string   // data folder; empty: a new one
	roles    string   // empty: all, by `up`
	env      []string // name=value
	core     int      // 1 + the core that it is pinned to; 0: all cores
}

// A process is a tributary that runs.
type process struct {
	*crash.Node
	data    string
	admin   string // http://host:port
	gateway string // set once it is ready
	began   time.Time
}

// start starts a tributary; it does not wait until it is ready.
func (r *rig) start(l launch) (*process, error) {
	dir, err := r.folder("node")
	if err != nil {
		return nil, err
	}
	p := &process{data: l.data}
	if p.data == "" {
		p.data = filepath.Join(dir, "data")
	}
	manifest := filepath.Join(dir, "mesh.yaml")
	if err := os.WriteFile(manifest, []byte(l.manifest), 0o644); err != nil {
		return nil, err
	}
	admin, err := ports.Free()
	if err != nil {
		return nil, err
	}
	p.admin = "http://" + admin
	args := []string{"up"}
	if l.roles != "" {
		args = []string{"run", "--roles=" + l.roles}
	}
	args = append(args, "-f", manifest, "--data", p.data, "--gateway-addr", "127.0.0.1:0", "--registry-addr", "127.0.0.1:0",
		"--admin-addr", admin, "--kafka-addr", "127.0.0.1:0")
	binary := r.binary
	if l.core > 0 { // taskset replaces itself by what it starts
		binary, args = "taskset", append([]string{"--cpu-list", strconv.Itoa(l.core - 1), r.binary}, args...)
		l.env = append(l.env, "GOMAXPROCS=1")
	}
	p.Node, err = crash.NewNode(crash.Config{Binary: binary, Args: args, Env: l.env, Log: filepath.Join(dir, "log")})
	if err != nil {
		return nil, err
	}
	p.began = time.Now()
	return p, p.Start()
}

// await waits for the ready line.
func (p *process) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	addresses, err := p.Ready(ctx)
	if err != nil {
		return err
	}
	p.gateway = addresses["gateway"]
	return nil
}

// readyLimit bounds a start: a run that takes longer is at fault.
const readyLimit = 20 * time.Minute

// get asks and gives the body of a 200.
func get(ctx context.Context, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	return answer(request)
}

func answer(request *http.Request) ([]byte, error) {
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s: %s: %.300s", request.Method, request.URL, response.Status, body)
	}
	return body, nil
}

// handled is the number of records that a stage has handled, over all its streams and partitions,
// and the number of those that it is known to be behind.
func (p *process) handled(ctx context.Context, stage string) (records, lag int64, err error) {
	text, err := get(ctx, p.admin+"/metrics")
	if err != nil {
		return 0, 0, err
	}
	label := `stage="` + stage + `"`
	if records, err = sumSamples(string(text), "tributary_records_total", label); err == nil {
		lag, err = sumSamples(string(text), "tributary_lag_records", label)
	}
	return records, lag, err
}

// sumSamples adds the samples of a metric in Prometheus' text format that have a label.
func sumSamples(text, metric, label string) (int64, error) {
	var sum int64
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		name, rest, _ := strings.Cut(lines.Text(), "{")
		labels, value, ok := strings.Cut(rest, "} ")
		if name != metric || !ok || !strings.Contains(labels, label) {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, fmt.Errorf("metric %s: %w", metric, err)
		}
		sum += int64(n)
	}
	return sum, lines.Err()
}

// poll asks until done says so or fails.
func poll(ctx context.Context, every time.Duration, done func() (bool, error)) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if ok, err := done(); err != nil || ok {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// awaitHandled waits until a stage has handled so many records and shows them all.
func (p *process) awaitHandled(ctx context.Context, stage string, records int64) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	var last int64
	err := poll(ctx, pollEvery, func() (bool, error) {
		select {
		case <-p.Exited():
			_, err := p.Ready(ctx) // says how it ended
			return false, fmt.Errorf("tributary ended: %w", err)
		default:
		}
		n, lag, err := p.handled(ctx, stage)
		if err != nil {
			return false, nil // the admin port is not open yet
		}
		last = n - lag
		return n >= records && lag == 0, nil
	})
	if err != nil {
		return fmt.Errorf("%s has handled %d of %d records: %w", stage, last, records, err)
	}
	return nil
}

// pollEvery is how often the end of a piece of work is looked for.
const pollEvery = 20 * time.Millisecond

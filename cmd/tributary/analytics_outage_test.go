package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/internal/poll"
	"tributary/mesh"
	"tributary/schemas"
	"tributary/serve/rest"
	"tributary/topics"
)

// TestAnalyticsDown stops the embedded ClickHouse engine under load for the outage's time, then
// kills it: reads go on and stay fresh, and every sample of the outage arrives (I7).
func TestAnalyticsDown(t *testing.T) {
	tr := newUp(t, setup{products: 100, manifest: func(text string) string {
		return strings.Replace(text, "clickhouse: none", "clickhouse: embedded", 1)
	}})
	var began, ended time.Time
	var before int64 // reads that came before the gateway did
	err := tr.under(func(ctx context.Context) error {
		if err := tr.node.await(ctx, time.Minute); err != nil {
			return err
		}
		poll.Until(ctx, t, "the first samples", func() (string, bool) {
			n, err := tr.samples(ctx, time.Now())
			return fmt.Sprintf("%d samples, %v", n, err), n > 0
		})
		began, before = time.Now(), tr.reader.Report().Unavailable
		if err := tr.stopEngine(ctx); err != nil {
			return err
		}
		ended = time.Now()
		poll.Until(ctx, t, "the engine's restart", func() (string, bool) {
			_, err := tr.samples(ctx, ended)
			return fmt.Sprint(err), err == nil
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	tr.allArrived(began, ended)
	var rows []lagRow
	commandJSON(t, &rows, "lag", "--since", "10m", "-f", filepath.Join(tr.dir, "mesh.yaml"), "--data", tr.node.data)
	if len(rows) == 0 {
		t.Error("tributary lag knows nothing")
	}
	if n := tr.reader.Report().Unavailable - before; n > 0 {
		t.Errorf("%d reads found no gateway", n)
	}
	tr.mustSettle(time.Minute)
	if err := tr.node.Stop(); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
}

// stopEngine freezes the engine for the outage's time, sees that views stay fresh, and kills it.
func (tr *trial) stopEngine(ctx context.Context) error {
	pid, err := engineOf(tr.node.Pid())
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return err
	}
	err = sleep(ctx, outage)
	var st rest.Status
	commandJSON(tr.t, &st, "status", "--gateway-addr", tr.node.gateway)
	for _, v := range st.Views {
		if v.StalenessMs == nil || *v.StalenessMs > staleDuringOutage.Milliseconds() {
			tr.t.Errorf("while ClickHouse was down: view %s is %s, staleness %s", v.Name, v.State, millis(v.StalenessMs))
		}
	}
	return errors.Join(err, syscall.Kill(pid, syscall.SIGCONT), syscall.Kill(pid, syscall.SIGKILL))
}

// staleDuringOutage bounds how stale a view may be while ClickHouse is down, on a busy machine.
const staleDuringOutage = 5 * time.Second

// engineOf finds the engine among a process's children.
func engineOf(parent int) (int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		// pid (name) state ppid …; a name may hold spaces.
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(parent) {
			return strconv.Atoi(filepath.Base(filepath.Dir(path)))
		}
	}
	return 0, fmt.Errorf("process %d has no engine", parent)
}

// samples counts what ClickHouse holds of the telemetry up to a time.
func (tr *trial) samples(ctx context.Context, until time.Time) (int, error) {
	query := fmt.Sprintf("SELECT count() FROM %s.samples WHERE ts <= fromUnixTimestamp64Micro(%d)", tr.mesh, until.UnixMicro())
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, tr.node.clickhouse+"/?query="+url.QueryEscape(query), nil)
	if err != nil {
		return 0, err
	}
	client := http.Client{}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// allArrived waits until ClickHouse holds each sample of the topic up to the outage's end, once.
func (tr *trial) allArrived(began, ended time.Time) {
	tr.t.Helper()
	written, during := tr.written(began, ended)
	if during == 0 {
		tr.t.Fatal("no sample was taken during the outage: the trial proves nothing")
	}
	ctx, cancel := context.WithTimeout(tr.t.Context(), time.Minute)
	defer cancel()
	poll.Until(ctx, tr.t, "the samples of the outage", func() (string, bool) {
		got, err := tr.samples(ctx, ended)
		return fmt.Sprintf("%d of %d samples, %v", got, written, err), got == written
	})
	tr.t.Logf("%d samples, %d of them of the outage", written, during)
}

// written counts the samples of the telemetry topic up to the outage's end, and those in it.
func (tr *trial) written(began, ended time.Time) (all, during int) {
	tr.t.Helper()
	cluster, err := topics.NewCluster(mesh.Kafka{}, tr.node.kafka)
	if err != nil {
		tr.t.Fatal(err)
	}
	topic := topics.Names(tr.mesh).Telemetry()
	cl, err := cluster.Client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		tr.t.Fatal(err)
	}
	defer cl.Close()
	// Samples are taken each second: one of a later time says that all up to the end were read.
	for last := int64(0); last <= ended.Add(2*time.Second).UnixMicro(); {
		fetches := cl.PollFetches(tr.t.Context())
		if err := fetches.Err(); err != nil {
			tr.t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			_, body, err := schemas.Unframe(r.Value)
			if err != nil {
				tr.t.Fatal(err)
			}
			s, err := topics.DecodeSample(body)
			if err != nil {
				tr.t.Fatal(err)
			}
			last = max(last, s.Time)
			if s.Time <= ended.UnixMicro() {
				all++
				if s.Time > began.UnixMicro() {
					during++
				}
			}
		})
	}
	return all, during
}

package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// sessionTimeout is how long a group waits for a member that it does not hear of, and a broker
// for the end of its transaction; a zombie sleeps longer.
const sessionTimeout = 10 * time.Second

// newFleet starts the mesh as several processes on a real Kafka: one that captures, two that
// process, one that serves.
func newFleet(t *testing.T) (tr *trial, ingest, serve *member, process [2]*member) {
	t.Helper()
	tr = newTrial(t, setup{products: 200, kafka: broker.get(t)})
	ingest = tr.member("ingest", "run", "--roles=ingest")
	serve = tr.member("serve", "run", "--roles=serve,sink")
	for i := range process {
		process[i] = tr.member(fmt.Sprintf("process%d", i), "run", "--roles=process")
	}
	for _, m := range tr.members {
		if err := m.Start(); err != nil {
			t.Fatal(err)
		}
	}
	tr.prepareLoad(serve.gateway)
	return tr, ingest, serve, process
}

// TestProcessesComeAndGo runs the stages in two processes that are killed, started again, stopped
// in order and frozen beyond their session's timeout: partitions move back and forth, and a zombie
// wakes that must be fenced (I14). No record comes out of order for it (I13).
func TestProcessesComeAndGo(t *testing.T) {
	tr, _, serve, process := newFleet(t)
	err := tr.under(func(ctx context.Context) error {
		if err := serve.await(ctx, 2*time.Minute); err != nil {
			return err
		}
		for _, step := range []func() error{
			func() error { return process[1].KillAtRandom(ctx, tr.random, 1, 2*time.Second) },
			func() error { return process[0].Stop() }, // 2 → 1
			func() error { return process[0].Start() },
			func() error { return process[1].Pause() },
			func() error { return sleep(ctx, sessionTimeout+3*time.Second) },
			func() error { return process[1].Resume() },
			func() error { return process[0].KillAtRandom(ctx, tr.random, 1, 2*time.Second) },
		} {
			if err := step(); err != nil {
				return err
			}
			if err := sleep(ctx, time.Duration(tr.random.Int64N(int64(2*time.Second)))); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	tr.mustSettle(time.Minute)
	for _, m := range process {
		m.counted(t, "tributary_order_repaired_total", 0)
		if err := m.Stop(); err != nil {
			t.Errorf("SIGTERM to %s: %v", m.name, err)
		}
	}
}

// counted holds a counter of a process's metrics against a value.
func (m *member) counted(t *testing.T, metric string, want float64) {
	t.Helper()
	answer, err := http.Get(m.admin + "/metrics")
	if err != nil {
		t.Error(err)
		return
	}
	defer answer.Body.Close()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		value, ok := strings.CutPrefix(lines.Text(), metric+" ")
		if !ok {
			continue
		}
		if got, err := strconv.ParseFloat(value, 64); err != nil || got != want {
			t.Errorf("%s: %s is %s, want %v", m.name, metric, value, want)
		}
		return
	}
	t.Errorf("%s has no metric %s", m.name, metric)
}

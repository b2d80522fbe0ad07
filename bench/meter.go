package main

import (
	"sync"
	"time"
)

// sampleEvery is how often a meter looks at the process's memory.
const sampleEvery = 50 * time.Millisecond

// A meter watches a process, and servers beside it, from its start to its stop.
type meter struct {
	pid     int
	beside  []int // roots of the servers' processes
	began   time.Time
	own     time.Duration // CPU at the beginning
	theirs  time.Duration
	ending  chan struct{}
	sampled sync.WaitGroup
	anon    int64 // most anonymous memory seen; written by the sampler until sampled is done
}

// A reading is what a meter saw.
type reading struct {
	wall      time.Duration
	cpu       time.Duration // of the process
	beside    time.Duration // CPU of the servers beside it
	peak      int64         // bytes: most resident memory since the process began, mapped files included
	anonymous int64         // bytes: most anonymous memory seen
	resident  memory        // at the end
}

// watch begins to measure a process that runs, as if it had begun at the given time.
func watch(pid int, began time.Time, beside ...int) (*meter, error) {
	m := &meter{pid: pid, beside: beside, began: began, ending: make(chan struct{})}
	var err error
	if m.theirs, err = treeCPU(beside...); err != nil {
		return nil, err
	}
	m.sampled.Go(m.sample)
	return m, nil
}

// fromNow makes what the process has used before not count.
func (m *meter) fromNow() error {
	stat, err := readStat(m.pid)
	m.own, m.began = stat.own, time.Now()
	return err
}

func (m *meter) sample() {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		if now, err := readMemory(m.pid); err == nil {
			m.anon = max(m.anon, now.anonymous)
		}
		select {
		case <-m.ending:
			return
		case <-tick.C:
		}
	}
}

// stop ends the measurement; the process must still run.
func (m *meter) stop() (reading, error) {
	r := reading{wall: time.Since(m.began)}
	stat, err := readStat(m.pid)
	close(m.ending)
	m.sampled.Wait()
	if err != nil {
		return r, err
	}
	theirs, err := treeCPU(m.beside...)
	if err != nil {
		return r, err
	}
	if r.resident, err = readMemory(m.pid); err != nil {
		return r, err
	}
	r.cpu, r.beside = stat.own-m.own, theirs-m.theirs
	r.peak, r.anonymous = r.resident.peak, max(m.anon, r.resident.anonymous)
	return r, nil
}

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// unique stands in a request for a number that never comes twice; it is as long as the number.
const unique = "@@@@@@@@@@@@@@@@@@@@"

// What the load generator says.
const warmLine = "warm"

// A loadReport is what the load generator measured after its warm-up.
type loadReport struct {
	Requests int64         `json:"requests"`
	Errors   int64         `json:"errors"` // answers that are not 200
	Bytes    int64         `json:"bytes"`  // of bodies
	Lasted   time.Duration `json:"lasted"`
	P50      time.Duration `json:"p50"`
	P99      time.Duration `json:"p99"`
}

// A generator sends requests over connections in a closed loop.
type generator struct {
	addr     string
	requests [][]byte // whole requests as they go over the wire
	next     atomic.Uint64
	number   atomic.Uint64 // for unique
	counting atomic.Bool
}

// generateLoad is the process of its own that sends load: it warms up, says so, measures and
// prints a loadReport.
func generateLoad(ctx context.Context, args []string, stdout io.Writer) error {
	var addr, file string
	var connections int
	var warm, lasts time.Duration
	f := flag.NewFlagSet(loadWord, flag.ContinueOnError)
	f.StringVar(&addr, "addr", "", "host:port")
	f.StringVar(&file, "requests", "", "file with a JSON array of requests")
	f.IntVar(&connections, "connections", 32, "connections")
	f.DurationVar(&warm, "warm", time.Second, "warm-up")
	f.DurationVar(&lasts, "for", time.Second, "measured time")
	if err := f.Parse(args); err != nil {
		return err
	}
	g := &generator{addr: addr}
	g.number.Store(uint64(time.Now().UnixNano()))
	if err := g.read(file); err != nil {
		return err
	}
	report, err := g.run(ctx, connections, warm, lasts, func() { fmt.Fprintln(stdout, warmLine) })
	if err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(report)
}

func (g *generator) read(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var requests []string
	if err := json.Unmarshal(text, &requests); err != nil {
		return err
	}
	if len(requests) == 0 {
		return errors.New("no requests")
	}
	for _, r := range requests {
		g.requests = append(g.requests, []byte(r))
	}
	return nil
}

// run sends for both times; warmed is called between them.
func (g *generator) run(ctx context.Context, connections int, warm, lasts time.Duration, warmed func()) (loadReport, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lanes := make([]lane, connections)
	faults := make([]error, connections)
	var group sync.WaitGroup
	for i := range lanes {
		group.Go(func() {
			if faults[i] = lanes[i].run(ctx, g); faults[i] != nil {
				cancel()
			}
		})
	}
	err := rest(ctx, warm)
	warmed()
	began := time.Now()
	g.counting.Store(true)
	err = errors.Join(err, rest(ctx, lasts))
	g.counting.Store(false)
	report := loadReport{Lasted: time.Since(began)}
	cancel()
	group.Wait()
	var took []time.Duration
	for i := range lanes {
		report.Requests += lanes[i].requests
		report.Errors += lanes[i].errors
		report.Bytes += lanes[i].bytes
		took = append(took, lanes[i].took...)
	}
	report.P50, report.P99 = quantile(took, 0.5), quantile(took, 0.99)
	if fault := errors.Join(faults...); fault != nil {
		return report, fault
	}
	return report, err
}

// A lane is one connection.
type lane struct {
	requests, errors, bytes int64
	took                    []time.Duration
	buffer                  []byte
}

// run sends until ctx ends.
func (l *lane) run(ctx context.Context, g *generator) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", g.addr)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	defer conn.Close()
	reader := bufio.NewReaderSize(conn, 64<<10)
	for ctx.Err() == nil {
		begun := time.Now()
		if _, err = conn.Write(l.request(g)); err != nil {
			break
		}
		var status int
		var length int64
		if status, length, err = readAnswer(reader); err != nil {
			break
		}
		if g.counting.Load() {
			l.requests++
			l.bytes += length
			if status != http.StatusOK {
				l.errors++
			}
			l.took = append(l.took, time.Since(begun))
		}
	}
	if ctx.Err() != nil {
		return nil // the connection was closed because time is up
	}
	return err
}

// request takes the next request, with a number of its own where it asks for one.
func (l *lane) request(g *generator) []byte {
	request := g.requests[g.next.Add(1)%uint64(len(g.requests))]
	at := bytes.Index(request, []byte(unique))
	if at < 0 {
		return request
	}
	l.buffer = append(l.buffer[:0], request...)
	copy(l.buffer[at:], fmt.Sprintf("%0*d", len(unique), g.number.Add(1)))
	return l.buffer
}

// readAnswer reads one whole answer.
func readAnswer(reader *bufio.Reader) (status int, length int64, err error) {
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		return 0, 0, err
	}
	length, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, length, errors.Join(err, response.Body.Close())
}

// readBody reads one whole answer and gives its body.
func readBody(reader *bufio.Reader) ([]byte, error) {
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(response.Body)
	return body, errors.Join(err, response.Body.Close())
}

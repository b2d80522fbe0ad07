package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/child"
)

// checkedAnswers is how many answers of a case are looked at before it is measured.
const checkedAnswers = 40

// benchGateway is P7: requests a CPU-second of the server, which has one core, with the load from
// another one; beside it, in turn, a bare handler under the same load.
func benchGateway(ctx context.Context, r *rig, b *board) (err error) {
	if runtime.NumCPU() < 2 {
		return errors.New("the server and the load need a core each; this machine has one")
	}
	s, err := r.seededShop(ctx, r.size(wholeProducts, 2_000))
	defer func() { err = errors.Join(err, s.stop()) }()
	if err != nil {
		return err
	}
	b.size = r.sizeText("the demo at %s products, views in SQLite, 32 connections, GOMAXPROCS=1 on a core of its own", grouped(s.products))
	if err := s.readPrices(ctx); err != nil {
		return err
	}
	p, err := r.pinned(ctx, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	bare, err := r.startBare()
	if err != nil {
		return err
	}
	defer bare.process.Kill()
	for _, c := range servingCases(s.products) {
		if err := r.serve(ctx, b, s, p, bare, c); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	used, err := readMemory(p.Pid())
	if err != nil {
		return err
	}
	b.add("peak memory without page cache, at the end", "MiB", "≤ 100 + cache", mebibytes(used.anonymous))
	return p.Stop()
}

// pinned brings the shop's mesh up on all cores and starts it again on one.
func (r *rig) pinned(ctx context.Context, s *shop) (*process, error) {
	first, err := r.start(launch{manifest: acmeMesh(), env: s.urls().Env()})
	if err != nil {
		return nil, err
	}
	err = first.await(ctx)
	if err == nil {
		err = s.check(ctx, first.gateway)
	}
	if err == nil {
		err = first.Stop()
	}
	if err := errors.Join(err, first.Close()); err != nil {
		return nil, err
	}
	p, err := r.start(launch{manifest: acmeMesh(), env: s.urls().Env(), data: first.data, core: 1})
	if err != nil {
		return nil, err
	}
	if err := p.await(ctx); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// readPrices reads what the ERP says of all products that have a view.
func (s *shop) readPrices(ctx context.Context) error {
	s.prices = map[string]string{}
	return query(ctx, s.url("erp"), func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, "select matnr, netpr::text from material where lvorm = ''")
		if err != nil {
			return err
		}
		var sku, price string
		_, err = pgx.ForEachRow(rows, []any{&sku, &price}, func() error {
			s.prices[sku] = price
			return nil
		})
		return err
	})
}

// serve checks a case's answers, then measures the gateway and the bare handler in turn.
func (r *rig) serve(ctx context.Context, b *board, s *shop, p *process, bare *bareServer, c servingCase) error {
	requests := make([]string, requestsPerCase)
	for i := range requests {
		requests[i] = c.request(i)
	}
	gateway := strings.TrimPrefix(p.gateway, "http://")
	if err := checkAnswers(ctx, s, gateway, c, requests); err != nil {
		return fmt.Errorf("the answers are wrong: %w", err)
	}
	text, err := json.Marshal(requests)
	if err != nil {
		return err
	}
	file := filepath.Join(r.dir, "requests.json")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return err
	}
	rate, limit := c.name+", requests a CPU-second", c.name+", bare handler"
	err = r.rounds(b, func(b *board, profiled bool) error {
		if profiled {
			pr := r.profileIf(ctx, true, p, "P7 "+c.name)
			_, _, err := r.load(ctx, gateway, p.Pid(), file)
			return errors.Join(err, pr.report(ctx, b, c.name))
		}
		perCPU, report, err := r.load(ctx, gateway, p.Pid(), file)
		if err != nil {
			return err
		}
		b.add(rate, "/s", c.aim, perCPU)
		b.add(c.name+", requests a second", "/s", "", float64(report.Requests)/report.Lasted.Seconds())
		b.add(c.name+", p50", "ms", "", milliseconds(report.P50))
		b.add(c.name+", p99", "ms", "", milliseconds(report.P99))
		perCPU, _, err = r.load(ctx, bare.addr, bare.process.Pid(), file)
		b.add(limit, "/s", "", perCPU)
		return err
	})
	b.ratio(c.name+", of the bare handler", rate, limit, "")
	return err
}

// checkAnswers sends some requests and looks at what comes back. Products that the ERP has
// flagged answer null, or 404 over REST: then it is no request to measure with, so their numbers
// are few and do no harm.
func checkAnswers(ctx context.Context, s *shop, addr string, c servingCase, requests []string) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	reader := bufio.NewReader(conn)
	for n := range checkedAnswers {
		i := n * len(requests) / checkedAnswers
		text := strings.ReplaceAll(requests[i], unique, fmt.Sprintf("%0*d", len(unique), n))
		if _, err := io.WriteString(conn, text); err != nil {
			return err
		}
		body, err := readBody(reader)
		if err != nil {
			return err
		}
		if err := c.check(s, i, body); err != nil {
			return fmt.Errorf("request %d: %w", i, err)
		}
	}
	return nil
}

// load runs the load generator on the last core and gives the requests a CPU-second of the server.
func (r *rig) load(ctx context.Context, addr string, pid int, file string) (perCPU float64, report loadReport, err error) {
	warm, lasts := time.Duration(r.size(2000, 300))*time.Millisecond, time.Duration(r.size(6000, 1000))*time.Millisecond
	self, err := os.Executable()
	if err != nil {
		return 0, report, err
	}
	cmd := exec.CommandContext(ctx, "taskset", "--cpu-list", fmt.Sprint(runtime.NumCPU()-1), self, loadWord,
		"-addr", addr, "-requests", file, "-warm", warm.String(), "-for", lasts.String())
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, report, err
	}
	if err := cmd.Start(); err != nil {
		return 0, report, err
	}
	lines := bufio.NewReader(out)
	var before, after procStat
	if _, err = lines.ReadString('\n'); err == nil {
		before, err = readStat(pid)
	}
	if err == nil {
		err = json.NewDecoder(lines).Decode(&report)
	}
	if err == nil {
		after, err = readStat(pid)
	}
	if fault := cmd.Wait(); fault != nil || err != nil {
		return 0, report, fmt.Errorf("load generator: %w\n%s", errors.Join(fault, err), said.String())
	}
	if report.Errors > report.Requests/50 { // flagged products over REST are one in 200
		return 0, report, fmt.Errorf("%d of %d answers were not 200", report.Errors, report.Requests)
	}
	return float64(report.Requests) / (after.own - before.own).Seconds(), report, nil
}

// A bareServer is the counterpart.
type bareServer struct {
	process *child.Process
	addr    string
}

// startBare starts the bare handler on the gateway's core.
func (r *rig) startBare() (*bareServer, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	cmd := exec.Command("taskset", "--cpu-list", "0", self, bareWord)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.Stdout, cmd.Stderr = writer, os.Stderr
	process, err := child.Start(cmd)
	if err := errors.Join(err, writer.Close()); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(reader).ReadString('\n')
	if err != nil {
		_ = process.Signal(syscall.SIGTERM)
		process.Kill()
		return nil, fmt.Errorf("start the bare handler: %w", err)
	}
	return &bareServer{process, strings.TrimPrefix(strings.TrimSpace(line), "http://")}, nil
}

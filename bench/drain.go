package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os/exec"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"tributary/deploy/kafka"
	"tributary/mesh"
	"tributary/topics"
)

// accounts is the number of rows that the backlog's updates go to: pgbench's scale 1.
const accounts = 100_000

// makeBank makes pgbench's tables; the history has a key here, since changes are keyed by it.
const makeBank = `
create table pgbench_accounts (aid int primary key, bid int, abalance int, filler char(84));
create table pgbench_history (id bigint generated always as identity primary key, tid int, bid int, aid int, delta int, mtime timestamp, filler char(22));
insert into pgbench_accounts select i, 1, 0, '' from generate_series(1, %d) i;
create publication ceiling for table pgbench_accounts, pgbench_history`

// makeBacklog does what "pgbench -N" does in a transaction, an update and an insert, so many times.
const makeBacklog = `do $$ declare account int; begin for i in 1..%d loop
	account := 1 + random() * %d;
	update pgbench_accounts set abalance = abalance + i %% 100 where aid = account;
	perform abalance from pgbench_accounts where aid = account;
	insert into pgbench_history (tid, bid, aid, delta, mtime) values (1, 1, account, i %% 100, current_timestamp);
	commit;
end loop; end $$`

// benchDrain is P1: a backlog into a real Kafka, and pg_recvlogical to /dev/null in turn. Each
// run has a mesh, and each counterpart a slot, that was there before the one backlog.
func benchDrain(ctx context.Context, r *rig, b *board) (err error) {
	if _, err := exec.LookPath("pg_recvlogical"); err != nil {
		return errors.New("pg_recvlogical is missing, the counterpart of this bench; on Debian: apt-get install postgresql-client")
	}
	d := &drain{rig: r, changes: r.size(800_000, 50_000)}
	b.size = r.sizeText("%s changes in transactions of two, as pgbench -N makes them, into Kafka on this machine", grouped(d.changes))
	defer func() { err = errors.Join(err, d.close()) }()
	if err := d.prepare(ctx); err != nil {
		return err
	}
	err = r.rounds(b, func(b *board, profiled bool) error {
		c := d.captures[0]
		d.captures = d.captures[1:]
		if err := d.ours(ctx, b, c, profiled); err != nil || profiled {
			return err
		}
		return d.theirs(ctx, b, c.ceiling)
	})
	b.ratio("changes a second, of pg_recvlogical's", "changes a second", "pg_recvlogical: changes a second", "≥ 0.8")
	return err
}

// A drain holds what P1 stands on.
type drain struct {
	rig      *rig
	changes  int
	bank     *databases
	broker   *kafka.Broker
	cluster  *topics.Cluster
	captures []capture // that have not drained yet
	end      string    // LSN behind the backlog
}

// A capture is a mesh, and a slot for the counterpart, that stood before the backlog.
type capture struct {
	mesh    topics.Names
	ceiling string // the counterpart's slot
	data    string
	ends    map[string]map[int32]int64 // of its raw topics before the backlog
}

func (c capture) topics() []string {
	return []string{c.mesh.Raw("bank", "account"), c.mesh.Raw("bank", "history")}
}

// prepare starts the servers, lets each mesh take its first snapshot, makes the counterpart's
// slots, and then the backlog.
func (d *drain) prepare(ctx context.Context) error {
	dir, err := d.rig.folder("bank")
	if err != nil {
		return err
	}
	if d.bank, err = d.rig.servers(ctx, dir, "bank"); err != nil {
		return err
	}
	if d.broker, err = d.rig.startKafka(ctx); err != nil {
		return err
	}
	if d.cluster, err = topics.NewCluster(mesh.Kafka{}, d.broker.Addr()); err != nil {
		return err
	}
	url := d.bank.url("bank")
	if err := execute(ctx, url, fmt.Sprintf(makeBank, accounts)); err != nil {
		return err
	}
	runs := d.rig.runs
	if d.rig.profile {
		runs++
	}
	for i := range runs {
		c := capture{mesh: topics.Names(fmt.Sprintf("drain%d", i+1)), ceiling: fmt.Sprintf("ceiling%d", i+1), ends: map[string]map[int32]int64{}}
		if err := d.stand(ctx, &c); err != nil {
			return fmt.Errorf("first snapshot of mesh %s: %w", c.mesh, err)
		}
		if err := execute(ctx, url, fmt.Sprintf("select pg_create_logical_replication_slot('%s', 'pgoutput')", c.ceiling)); err != nil {
			return err
		}
		d.captures = append(d.captures, c)
	}
	d.rig.say("P1: making the backlog")
	if err := d.backlog(ctx, url); err != nil {
		return err
	}
	return query(ctx, url, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "select pg_current_wal_insert_lsn()::text").Scan(&d.end)
	})
}

func (d *drain) close() error {
	var err error
	if d.broker != nil {
		err = d.broker.Stop()
	}
	return errors.Join(err, d.bank.stop())
}

// backlog makes the changes on two connections, two changes a transaction.
func (d *drain) backlog(ctx context.Context, url string) error {
	const connections = 2
	g, ctx := errgroup.WithContext(ctx)
	for range connections {
		g.Go(func() error {
			return execute(ctx, url, "set synchronous_commit = off", fmt.Sprintf(makeBacklog, d.changes/2/connections, accounts-1))
		})
	}
	return g.Wait()
}

// stand takes a mesh's first snapshot and stops it.
func (d *drain) stand(ctx context.Context, c *capture) (err error) {
	p, err := d.start(*c)
	if err != nil {
		return err
	}
	c.data = p.data
	defer func() { err = errors.Join(err, p.Close()) }()
	if err := p.awaitHandled(ctx, "ingest", accounts); err != nil {
		return err
	}
	if err := d.awaitSnapshots(ctx, c); err != nil {
		return err
	}
	if err := p.Stop(); err != nil {
		return err
	}
	for _, topic := range c.topics() {
		if c.ends[topic], err = d.cluster.Ends(ctx, topic); err != nil {
			return err
		}
	}
	return nil
}

// awaitSnapshots waits until the positions of both streams say that their snapshots are complete.
func (d *drain) awaitSnapshots(ctx context.Context, c *capture) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return poll(ctx, 100*time.Millisecond, func() (bool, error) {
		positions, err := topics.ReadPositions(ctx, d.cluster, c.mesh)
		if err != nil {
			return false, err
		}
		done := 0
		for _, position := range positions {
			if position.Snapshot == topics.SnapshotDone {
				done++
			}
		}
		return done == len(c.topics()), nil
	})
}

func (d *drain) start(c capture) (*process, error) {
	return d.rig.start(launch{manifest: drainMesh(string(c.mesh), d.broker.Addr()), roles: "ingest", data: c.data,
		env: []string{"BANK_DATABASE_URL=" + d.bank.url("bank")}})
}

// ours drains the backlog by tributary.
func (d *drain) ours(ctx context.Context, b *board, c capture, profiled bool) (err error) {
	p, err := d.start(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	m, err := watch(p.Pid(), p.began, append(d.bank.pids(), d.broker.Pid())...)
	if err != nil {
		return err
	}
	pr := d.rig.profileIf(ctx, profiled, p, b.bench)
	handled := p.awaitHandled(ctx, "ingest", int64(d.changes))
	got, err := m.stop()
	if err := errors.Join(handled, err, pr.report(ctx, b, b.bench)); err != nil {
		return err
	}
	if err := p.Stop(); err != nil {
		return err
	}
	lasted, err := d.check(ctx, c)
	if err != nil {
		return fmt.Errorf("the contents are wrong: %w", err)
	}
	n := float64(d.changes)
	b.add("changes a second", "/s", "", n/lasted.Seconds())
	b.add("changes a second, from process start on", "/s", "", n/got.wall.Seconds())
	b.add("changes a CPU-second of tributary", "/s", "≥ 8 × Debezium-Avro's, 9,700 when it was measured", n/got.cpu.Seconds())
	b.add("CPU of Postgres and Kafka beside it", "s", "", got.beside.Seconds())
	b.add("peak memory without page cache", "MiB", "≤ 150", mebibytes(got.anonymous))
	return nil
}

// check counts what came behind the snapshot and gives the time between the first and the last
// record, by the producer's clock at append.
func (d *drain) check(ctx context.Context, c capture) (time.Duration, error) {
	count, first, last := 0, int64(math.MaxInt64), int64(0)
	for _, topic := range c.topics() {
		err := d.cluster.ReadToEnd(ctx, topic, c.ends[topic], func(r *kgo.Record) error {
			count++
			first, last = min(first, r.Timestamp.UnixMilli()), max(last, r.Timestamp.UnixMilli())
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
	if count != d.changes {
		return 0, fmt.Errorf("%d records in the raw topics, want %d", count, d.changes)
	}
	return time.Duration(max(1, last-first)) * time.Millisecond, nil
}

// theirs drains the backlog by pg_recvlogical.
func (d *drain) theirs(ctx context.Context, b *board, slot string) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "pg_recvlogical", "--dbname", d.bank.url("bank"), "--slot", slot, "--start",
		"--file", "/dev/null", "--no-loop", "--endpos", d.end, "--option", "proto_version=1", "--option", "publication_names=ceiling")
	before, err := treeCPU(d.bank.pids()...)
	if err != nil {
		return err
	}
	began := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pg_recvlogical: %w\n%s", err, out)
	}
	lasted := time.Since(began)
	after, err := treeCPU(d.bank.pids()...)
	if err != nil {
		return err
	}
	b.add("pg_recvlogical: changes a second", "/s", "", float64(d.changes)/lasted.Seconds())
	b.add("pg_recvlogical: CPU of Postgres beside it", "s", "", (after - before).Seconds())
	return nil
}

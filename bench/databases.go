package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"

	"tributary/deploy/kafka"
	pgserver "tributary/deploy/postgres"
)

// databases are Postgres servers, each with one database of the same name.
type databases struct{ servers map[string]*pgserver.Server }

// servers starts durable Postgres servers in dir side by side. What was started is returned with
// an error, too: stop ends it.
func (r *rig) servers(ctx context.Context, dir string, names ...string) (*databases, error) {
	fetched, err := pgserver.ToolsDir()
	if err != nil {
		return nil, err
	}
	template := filepath.Join(fetched, fmt.Sprintf("postgres-template-%s-%d", pgserver.DefaultVersion, os.Geteuid()))
	d := &databases{servers: map[string]*pgserver.Server{}}
	var mu sync.Mutex // protects d.servers
	g, ctx := errgroup.WithContext(ctx)
	for _, name := range names {
		g.Go(func() error {
			srv, err := pgserver.Start(ctx, pgserver.Config{Dir: filepath.Join(dir, name), Template: template, Settings: settings()})
			if srv != nil {
				mu.Lock()
				d.servers[name] = srv
				mu.Unlock()
			}
			if err == nil {
				err = ensureDatabase(ctx, srv, name)
			}
			if err != nil {
				return fmt.Errorf("database %s: %w", name, err)
			}
			return nil
		})
	}
	return d, g.Wait()
}

// settings are Postgres' own defaults where pgserver's are smaller, and room for the log, so that
// checkpoints do not fall into a measurement.
func settings() map[string]string {
	return map[string]string{"shared_buffers": "128MB", "max_wal_size": "4GB", "checkpoint_timeout": "30min", "jit": "off"}
}

func ensureDatabase(ctx context.Context, srv *pgserver.Server, name string) error {
	var there bool
	err := query(ctx, srv.URL("postgres"), func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "select exists (select from pg_database where datname = $1)", name).Scan(&there)
	})
	if err != nil || there {
		return err
	}
	return srv.CreateDatabase(ctx, name)
}

// query runs fn on a connection of its own.
func query(ctx context.Context, url string, fn func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	return errors.Join(fn(conn), conn.Close(context.WithoutCancel(ctx)))
}

// execute runs statements one after another.
func execute(ctx context.Context, url string, statements ...string) error {
	return query(ctx, url, func(conn *pgx.Conn) error {
		for _, sql := range statements {
			if _, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
				return fmt.Errorf("%.60q: %w", sql, err)
			}
		}
		return nil
	})
}

func (d *databases) url(name string) string { return d.servers[name].URL(name) }

// pids are the ids of the servers' first processes.
func (d *databases) pids() []int {
	var out []int
	for _, srv := range d.servers {
		out = append(out, srv.Pid())
	}
	return out
}

// forget removes what an earlier run left in the databases: slots and publications.
func (d *databases) forget(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for name := range d.servers {
		if err := query(ctx, d.url(name), func(conn *pgx.Conn) error { return forget(ctx, conn) }); err != nil {
			return fmt.Errorf("clear database %s: %w", name, err)
		}
	}
	return nil
}

func forget(ctx context.Context, conn *pgx.Conn) error {
	for {
		_, err := conn.Exec(ctx, "select pg_terminate_backend(active_pid) from pg_replication_slots where active_pid is not null")
		if err == nil {
			_, err = conn.Exec(ctx, "select pg_drop_replication_slot(slot_name) from pg_replication_slots")
		}
		var refused *pgconn.PgError
		if err == nil {
			break
		}
		if !errors.As(err, &refused) || refused.Code != "55006" { // object_in_use: the walsender is ending
			return err
		}
	}
	_, err := conn.Exec(ctx, `do $$ declare p text; begin
		for p in select pubname from pg_publication loop execute format('drop publication %I', p); end loop; end $$`)
	return err
}

// stop ends all servers.
func (d *databases) stop() error {
	if d == nil {
		return nil
	}
	var ends sync.WaitGroup
	var mu sync.Mutex // protects faults
	var faults []error
	for _, srv := range d.servers {
		ends.Go(func() {
			err := srv.Stop(context.Background())
			mu.Lock()
			defer mu.Unlock()
			faults = append(faults, err)
		})
	}
	ends.Wait()
	return errors.Join(faults...)
}

// startKafka starts a real Kafka in a new folder.
func (r *rig) startKafka(ctx context.Context) (*kafka.Broker, error) {
	dir, err := r.folder("kafka")
	if err != nil {
		return nil, err
	}
	return kafka.Start(ctx, kafka.Config{Dir: dir, HeapMiB: 1024})
}

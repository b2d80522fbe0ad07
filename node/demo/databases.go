package demo

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	pgserver "tributary/deploy/postgres"
	"tributary/examples/acme"
)

// stopTime bounds the end of the databases: the whole demo ends within 10 s.
const stopTime = 5 * time.Second

// databases are the three servers, each a system's own.
type databases struct{ erp, pim, wms *pgserver.Server }

// settings keep three servers small.
func settings() map[string]string {
	return map[string]string{
		"max_connections": "30", "max_wal_senders": "8", "max_replication_slots": "8",
		"shared_buffers": "24MB", "max_wal_size": "512MB", "jit": "off",
		"max_worker_processes": "4", "log_checkpoints": "off",
	}
}

// startDatabases starts the servers in dir side by side. What was started is returned with an
// error, too: stop ends it.
func startDatabases(ctx context.Context, dir, binDir string) (*databases, error) {
	var d databases
	// Copies of one initialised server are there sooner than three initialised side by side.
	template, err := pgserver.TemplateDir("")
	if err != nil {
		return nil, err
	}
	g, ctx := errgroup.WithContext(ctx)
	for name, to := range map[string]**pgserver.Server{"erp": &d.erp, "pim": &d.pim, "wms": &d.wms} {
		g.Go(func() error {
			srv, err := pgserver.Start(ctx, pgserver.Config{Dir: filepath.Join(dir, name), BinDir: binDir, Template: template, Settings: settings()})
			*to = srv
			if err == nil {
				err = ensureDatabase(ctx, srv, name)
			}
			if err != nil {
				return fmt.Errorf("database %s: %w", name, err)
			}
			return nil
		})
	}
	return &d, g.Wait()
}

// ensureDatabase makes the server's database unless an earlier run did.
func ensureDatabase(ctx context.Context, srv *pgserver.Server, name string) error {
	conn, err := pgx.Connect(ctx, srv.URL("postgres"))
	if err != nil {
		return err
	}
	var there bool
	err = conn.QueryRow(ctx, "select exists (select from pg_database where datname = $1)", name).Scan(&there)
	if err := errors.Join(err, conn.Close(ctx)); err != nil || there {
		return err
	}
	return srv.CreateDatabase(ctx, name)
}

func (d *databases) urls() acme.Databases {
	return acme.Databases{ERP: d.erp.URL("erp"), PIM: d.pim.URL("pim"), WMS: d.wms.URL("wms")}
}

// stop ends all servers that run.
func (d *databases) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	var ends sync.WaitGroup
	faults := make([]error, 3)
	for i, srv := range []*pgserver.Server{d.erp, d.pim, d.wms} {
		if srv != nil {
			ends.Go(func() { faults[i] = srv.Stop(ctx) })
		}
	}
	ends.Wait()
	return errors.Join(faults...)
}

package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"tributary/deploy/clickhouse"
	pgserver "tributary/deploy/postgres"
	"tributary/examples/acme"
	"tributary/examples/acme/seed"
	"tributary/mesh"
)

// A demo is one run.
type demo struct {
	Options
	log     zerolog.Logger
	screen  screen
	begun   time.Time
	db      acme.Databases
	engine  bool // whether there is a ClickHouse engine for this machine
	mesh    *mesh.Mesh
	metrics *prometheus.Registry
}

// Run runs the demo until ctx ends or a part of it fails, then ends what it started in the
// opposite order: changes, mesh, databases.
func Run(ctx context.Context, o Options) (err error) {
	if err := o.EnsureDefaults(); err != nil {
		return err
	}
	if err := o.Validate(); err != nil {
		return err
	}
	free, err := claim(o.Dir)
	if err != nil {
		return err
	}
	defer free()
	d := &demo{Options: o, begun: time.Now(), metrics: prometheus.NewRegistry()}
	closeLog, err := d.openLog()
	if err != nil {
		return err
	}
	defer closeLog()
	d.screen = newScreen(o)
	defer d.screen.close()
	told := make(chan time.Time, 1)
	stopWatching := context.AfterFunc(ctx, func() {
		d.tell(event{Kind: kindStop, Text: "Stopping the changes, the mesh and the databases"})
		told <- time.Now()
	})
	err = d.run(ctx)
	if stopWatching() || err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	d.tell(event{Kind: kindEnd, Text: "Stopped. The same command goes on from here; to remove the demo, remove " + shorter(o.Dir), took: time.Since(<-told)})
	return nil
}

func (d *demo) run(ctx context.Context) (err error) {
	binDir, err := d.fetch(ctx)
	if err != nil {
		return err
	}
	var servers *databases
	err = d.step("Starting three Postgres servers", func() (string, error) {
		var err error
		servers, err = startDatabases(ctx, d.Dir, binDir)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("Postgres 18: erp on port %d, pim on %d, wms on %d", servers.erp.Port(), servers.pim.Port(), servers.wms.Port()), nil
	})
	if servers != nil {
		defer func() {
			if fault := servers.stop(); fault != nil && errors.Is(err, context.Canceled) {
				err = fault
			} else {
				err = errors.Join(err, fault)
			}
		}()
	}
	if err != nil {
		return err
	}
	d.db = servers.urls()
	err = d.step("Making sure that they hold "+grouped(int64(d.Products))+" products", func() (string, error) {
		return "", seed.Seed(ctx, d.db, d.Products, d.seeded)
	})
	if err != nil {
		return err
	}
	path, err := writeManifest(d.Dir, d.Addrs, d.engine, d.db)
	if err != nil {
		return fmt.Errorf("write the manifest: %w", err)
	}
	if d.mesh, err = loadManifest(path, d.db); err != nil {
		return err
	}
	return d.runMesh(ctx)
}

// fetch gets the parts that are missing.
func (d *demo) fetch(ctx context.Context) (binDir string, err error) {
	err = d.step("Fetching Postgres 18 (about 15 MB)", func() (string, error) {
		binDir, err = pgserver.Fetch(ctx, "", "", nil)
		return "", err
	})
	if err != nil {
		return "", err
	}
	err = d.step("Fetching the ClickHouse engine (260 MB)", func() (string, error) {
		_, err := clickhouse.Fetch(ctx, "")
		d.engine = err == nil
		if errors.Is(err, clickhouse.ErrPlatform) || errors.Is(err, clickhouse.ErrNoNPM) {
			return "Running without analytics: " + err.Error(), nil
		}
		return "", err
	})
	return binDir, err
}

// noticeable is the time after which a step is worth a word.
const noticeable = 300 * time.Millisecond

// step does something that may take long. It is shown when it does, and when it has to say
// something at its end.
func (d *demo) step(text string, do func() (said string, err error)) error {
	begin := time.Now()
	shown := make(chan bool, 1)
	timer := time.AfterFunc(noticeable, func() {
		d.tell(event{Kind: kindBegin, Text: text})
		shown <- true
	})
	said, err := do()
	if timer.Stop() {
		shown <- false
	}
	if visible := <-shown; err == nil && (visible || said != "") {
		if said == "" {
			said = text
		}
		d.tell(event{Kind: kindDone, Text: said, took: time.Since(begin)})
	}
	return err
}

func (d *demo) path(name string) string { return filepath.Join(d.Dir, name) }

func (d *demo) seeded(p seed.Progress) {
	d.tell(event{Kind: kindFill, Filled: &filled{Database: p.Database, Done: p.Done, Total: p.Total}})
}

func (d *demo) tell(e event) {
	e.Time = time.Now().UTC()
	d.screen.tell(e)
}

// openLog sends the log to stderr, or to a file where stderr is the terminal that shows the mesh.
func (d *demo) openLog() (closeLog func(), err error) {
	level := zerolog.InfoLevel
	if d.Verbose {
		level = zerolog.DebugLevel
	}
	out, closeLog := d.Stderr, func() {}
	if isTerminal(d.Stderr) {
		f, err := os.OpenFile(d.path(logName), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, fmt.Errorf("log of the demo: %w", err)
		}
		out, closeLog = f, func() { f.Close() }
	}
	d.log = zerolog.New(out).Level(level).With().Timestamp().Logger()
	return closeLog, nil
}

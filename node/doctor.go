package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	engine "tributary/deploy/clickhouse"
	"tributary/ingest"
	"tributary/ingest/postgres"
	"tributary/mesh"
	"tributary/serve/rest"
)

// A Finding is one line of a check-up.
type Finding = postgres.Finding

// The least free space on the disk of the data folder: for a start at all, and for peace.
const (
	leastDisk  = 1 << 30
	enoughDisk = 5 << 30
)

// reachWithin bounds how long a system or part may take to answer.
const reachWithin = 10 * time.Second

// Doctor looks at all that a process with these options needs: every system, the data folder,
// the ports, the parts. It changes nothing.
func Doctor(ctx context.Context, o Options) []Finding {
	o.EnsureDefaults()
	d := &doctor{Options: o}
	if err := o.Validate(); err != nil {
		d.add(postgres.Fail, "manifest", err.Error(), "")
	}
	for _, sys := range o.Mesh.Systems {
		d.system(ctx, sys)
	}
	d.dataFolder()
	running, ok, err := FindRunning(o.DataDir)
	switch {
	case err != nil:
		d.add(postgres.Fail, "data folder", err.Error(), "")
	case ok:
		d.add(postgres.OK, "process", fmt.Sprintf("mesh %s runs over %s as process %d, gateway %s", running.Mesh, o.DataDir, running.PID, running.Addrs.Gateway), "")
	default:
		d.ports()
	}
	d.kafka(ctx, running)
	d.registry(ctx)
	d.analytics(ctx)
	return d.findings
}

// A doctor gathers findings.
type doctor struct {
	Options
	findings []Finding
}

func (d *doctor) add(level postgres.Level, subject, text, mend string) {
	d.findings = append(d.findings, Finding{Level: level, Subject: subject, Text: text, Mend: mend})
}

func (d *doctor) system(ctx context.Context, sys *mesh.System) {
	ctx, cancel := context.WithTimeout(ctx, reachWithin)
	defer cancel()
	switch sys.Kind {
	case "postgres":
		d.findings = append(d.findings, postgres.Check(ctx, ingest.Options{Mesh: d.Mesh.Name, System: sys})...)
	default:
		d.add(postgres.Fail, "system "+sys.Name, fmt.Sprintf("no driver for kind %q", sys.Kind), "")
	}
}

// dataFolder looks at the folder, or at the nearest one above it that exists.
func (d *doctor) dataFolder() {
	const subject = "data folder"
	dir, err := filepath.Abs(d.DataDir)
	if err != nil {
		d.add(postgres.Fail, subject, err.Error(), "name another with --data")
		return
	}
	at := dir
	for {
		info, err := os.Stat(at)
		if err == nil && !info.IsDir() {
			d.add(postgres.Fail, subject, at+" is no folder", "name another with --data")
			return
		}
		if err == nil || at == filepath.Dir(at) {
			break
		}
		at = filepath.Dir(at)
	}
	const writeAndEnter = 2 | 1
	if err := syscall.Access(at, writeAndEnter); err != nil {
		d.add(postgres.Fail, subject, fmt.Sprintf("%s cannot be written: %v", at, err), "give this user the right, or name another folder with --data")
		return
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs(at, &fs); err != nil {
		d.add(postgres.Warn, subject, fmt.Sprintf("free space of %s is unknown: %v", at, err), "")
		return
	}
	free := fs.Bavail * uint64(fs.Bsize)
	text := fmt.Sprintf("%s can be written, %.1f GiB are free", dir, float64(free)/(1<<30))
	switch {
	case free < leastDisk:
		d.add(postgres.Fail, subject, text, "free some space, or name a folder on another disk with --data")
	case free < enoughDisk:
		d.add(postgres.Warn, subject, text, "free some space, or name a folder on another disk with --data")
	default:
		d.add(postgres.OK, subject, text, "")
	}
}

// ports looks whether what a start would listen on is free.
func (d *doctor) ports() {
	for _, p := range d.Options.ports() {
		ln, err := net.Listen("tcp", p.addr)
		switch {
		case err == nil:
			ln.Close()
			d.add(postgres.OK, "port of "+p.name, p.addr+" is free", "")
		case errors.Is(err, syscall.EADDRINUSE):
			d.add(postgres.Fail, "port of "+p.name, p.addr+" is in use by another process", "stop it, or choose another address with "+p.flag)
		default:
			d.add(postgres.Fail, "port of "+p.name, err.Error(), "choose another address with "+p.flag)
		}
	}
}

// kafka looks at an external broker, and at the size of an embedded one that runs.
func (d *doctor) kafka(ctx context.Context, running Running) {
	ctx, cancel := context.WithTimeout(ctx, reachWithin)
	defer cancel()
	if !d.embeddedBroker() {
		bootstrap := d.Mesh.Kafka.Bootstrap
		if err := ping(ctx, d.Mesh.Kafka, bootstrap); err != nil {
			d.add(postgres.Fail, "kafka", fmt.Sprintf("%s: %v", bootstrap, err), "check kafka.bootstrap, kafka.tls and kafka.sasl in the manifest")
			return
		}
		d.add(postgres.OK, "kafka", bootstrap+" answers", "")
		return
	}
	if running.Addrs.Gateway == "" {
		return
	}
	n, err := brokerRecords(ctx, running.Addrs.Gateway)
	switch {
	case err != nil:
		d.add(postgres.Fail, "kafka", fmt.Sprintf("size of the embedded broker: %v", err), "look at the log of the process that runs")
	case n >= BrokerWarn:
		d.add(postgres.Warn, "kafka", fmt.Sprintf("the embedded broker holds %d records of at most %d", n, BrokerLimit),
			"tributary topics compact; or set kafka.bootstrap to a Kafka of your own")
	default:
		d.add(postgres.OK, "kafka", fmt.Sprintf("the embedded broker holds %d records of at most %d", n, BrokerLimit), "")
	}
}

// brokerRecords asks the process that runs how many records its broker holds: offsets do not tell
// once it was compacted.
func brokerRecords(ctx context.Context, gateway string) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, gateway+"/v1/_status", nil)
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
	var status struct{ Broker *rest.Broker }
	if err := json.NewDecoder(io.LimitReader(resp.Body, 16<<20)).Decode(&status); err != nil {
		return 0, err
	}
	if status.Broker == nil {
		return 0, fmt.Errorf("%s/v1/_status answers %s without it", gateway, resp.Status)
	}
	return status.Broker.Records, nil
}

// registry looks at an external schema registry.
func (d *doctor) registry(ctx context.Context) {
	if d.embeddedRegistry() {
		return
	}
	const mend = "check registry.url, username and password in the manifest"
	ctx, cancel := context.WithTimeout(ctx, reachWithin)
	defer cancel()
	r := d.Mesh.Registry
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL+"/subjects", nil)
	if err != nil {
		d.add(postgres.Fail, "registry", "registry.url is no URL", mend)
		return
	}
	if r.Username.Ref != "" {
		req.SetBasicAuth(r.Username.Reveal(), r.Password.Reveal())
	}
	var client http.Client
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		d.add(postgres.Fail, "registry", err.Error(), mend)
		return
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		d.add(postgres.Fail, "registry", fmt.Sprintf("%s answers %s", req.URL.Host, resp.Status), mend)
		return
	}
	d.add(postgres.OK, "registry", req.URL.Host+" answers", "")
}

// analytics looks whether the engine is here, or at an external server.
func (d *doctor) analytics(ctx context.Context) {
	const subject = "clickhouse"
	address := d.Mesh.Analytics.ClickHouse
	switch address.Ref {
	case noAnalytics:
		return
	case mesh.Embedded:
		lib, err := engine.Fetched("")
		switch {
		case err == nil:
			d.add(postgres.OK, subject, "the embedded engine is at "+lib, "")
		case errors.Is(err, engine.ErrNotFetched):
			d.add(postgres.Warn, subject, err.Error(), "make setup")
		default:
			d.add(postgres.Fail, subject, err.Error(), "or set analytics.clickhouse to none")
		}
		return
	}
	u, err := url.Parse(address.Reveal())
	if err != nil || u.Host == "" {
		d.add(postgres.Fail, subject, "analytics.clickhouse is no URL", "write clickhouse://user:password@host:9000")
		return
	}
	dialer := net.Dialer{Timeout: reachWithin}
	conn, err := dialer.DialContext(ctx, "tcp", u.Host)
	if err != nil {
		d.add(postgres.Fail, subject, err.Error(), "check analytics.clickhouse in the manifest; without it the mesh runs, and its history waits in the topics")
		return
	}
	conn.Close()
	d.add(postgres.OK, subject, u.Host+" answers", "")
}

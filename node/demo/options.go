package demo

import (
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"

	"tributary/examples/acme/seed"
	"tributary/node"
)

// DefaultProducts is the size of the demo where none is asked for.
const DefaultProducts = 20_000

// Options say what the demo runs.
type Options struct {
	// Products is the number of products that the databases hold at least.
	Products int
	// Dir keeps everything between runs: databases, mesh, log.
	Dir string
	// Idle leaves the databases as they are once the mesh is ready.
	Idle bool
	// Addrs are where the mesh listens; empty ones: node.DefaultAddrs.
	Addrs node.Addrs
	// Program is how the reader calls this program, for the commands that are printed.
	Program string
	// Stdout gets what is shown: in place on a terminal, line by line elsewhere.
	Stdout io.Writer
	// Stderr gets the log, unless it is a terminal: then the log goes to a file in Dir.
	Stderr io.Writer
	// JSON writes events to Stdout, one JSON object a line.
	JSON bool
	// Verbose logs details.
	Verbose bool
}

// EnsureDefaults fills in what is empty.
func (o *Options) EnsureDefaults() error {
	if o.Products == 0 {
		o.Products = DefaultProducts
	}
	if o.Program == "" {
		o.Program = "tributary"
	}
	for _, a := range o.listeners() {
		if *a.addr == "" {
			*a.addr = a.standard
		}
	}
	if o.Dir == "" {
		return errors.New("the demo needs a folder: name one with --data")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return fmt.Errorf("folder of the demo: %w", err)
	}
	o.Dir = dir
	return nil
}

// Validate reports every fault of the options, taken ports included: better now than after the
// databases are filled.
func (o *Options) Validate() error {
	var faults []error
	if o.Products < 1 || o.Products > seed.MaxProducts {
		faults = append(faults, fmt.Errorf("--products %d: ask for 1 to %d", o.Products, seed.MaxProducts))
	}
	for _, a := range o.listeners() {
		ln, err := net.Listen("tcp", *a.addr)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w: choose another address with %s", a.what, err, a.flag))
			continue
		}
		faults = append(faults, ln.Close())
	}
	return errors.Join(faults...)
}

type listener struct {
	addr                 *string
	standard, what, flag string
}

func (o *Options) listeners() []listener {
	d := node.DefaultAddrs
	return []listener{
		{&o.Addrs.Gateway, d.Gateway, "gateway", "--gateway-addr"},
		{&o.Addrs.Registry, d.Registry, "registry", "--registry-addr"},
		{&o.Addrs.Admin, d.Admin, "admin", "--admin-addr"},
		{&o.Addrs.Kafka, d.Kafka, "embedded Kafka", "--kafka-addr"},
		{&o.Addrs.ClickHouse, d.ClickHouse, "embedded ClickHouse", "--clickhouse-addr"},
	}
}

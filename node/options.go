package node

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"tributary/mesh"
)

// Role names a part of the work.
type Role string

// The roles.
const (
	Ingest  Role = "ingest"
	Process Role = "process"
	Sink    Role = "sink"
	Serve   Role = "serve"
)

// AllRoles are what `up` runs in one process.
var AllRoles = []Role{Ingest, Process, Sink, Serve}

// ParseRoles reads a comma list of roles.
func ParseRoles(text string) ([]Role, error) {
	var roles []Role
	for _, name := range strings.Split(text, ",") {
		r := Role(strings.TrimSpace(name))
		if !slices.Contains(AllRoles, r) {
			return nil, fmt.Errorf("unknown role %q: the roles are ingest, process, sink, serve", name)
		}
		roles = append(roles, r)
	}
	return roles, nil
}

// Addrs are listening addresses, host:port; port 0 takes any free one.
type Addrs struct{ Gateway, Registry, Admin, Kafka, ClickHouse string }

// DefaultAddrs are the documented ports on loopback.
var DefaultAddrs = Addrs{
	Gateway: "127.0.0.1:8080", Registry: "127.0.0.1:8081", Admin: "127.0.0.1:8082",
	Kafka: "127.0.0.1:9092", ClickHouse: "127.0.0.1:8123",
}

// Options say what a process runs.
type Options struct {
	Mesh    *mesh.Mesh
	DataDir string
	Roles   []Role
	Addrs   Addrs // empty ones: the manifest's, then the defaults
	Rebuild bool  // derive contributions, keys and views anew where the manifest changed
	Log     zerolog.Logger
	// Stdout gets the one line that says that the mesh is ready.
	Stdout io.Writer
	// Instance names the process among those of the mesh; kept in the data folder when empty.
	Instance string
	// Metrics takes the process's metrics, for those who run it in their own process; nil: it is
	// seen at the admin address alone.
	Metrics *prometheus.Registry
	// Started is told of the addresses as soon as they are known, before the views are ready.
	Started func(Addrs)
}

// sqliteStore is the manifest's word for the embedded view store.
const sqliteStore = "sqlite"

// EnsureDefaults fills in what is empty.
func (o *Options) EnsureDefaults() {
	if len(o.Roles) == 0 {
		o.Roles = AllRoles
	}
	var m mesh.Addrs
	if o.Mesh != nil {
		m = o.Mesh.Addrs
	}
	for _, a := range []struct {
		to             *string
		manifest, last string
	}{
		{&o.Addrs.Gateway, m.Gateway, DefaultAddrs.Gateway},
		{&o.Addrs.Registry, m.Registry, DefaultAddrs.Registry},
		{&o.Addrs.Admin, m.Admin, DefaultAddrs.Admin},
		{&o.Addrs.Kafka, m.Kafka, DefaultAddrs.Kafka},
		{&o.Addrs.ClickHouse, m.ClickHouse, DefaultAddrs.ClickHouse},
	} {
		if *a.to == "" {
			*a.to = a.manifest
		}
		if *a.to == "" {
			*a.to = a.last
		}
	}
	if o.Metrics == nil {
		o.Metrics = prometheus.NewRegistry()
	}
	if o.Started == nil {
		o.Started = func(Addrs) {}
	}
}

// Validate reports every fault of the options.
func (o *Options) Validate() error {
	var faults []error
	if o.DataDir == "" {
		faults = append(faults, errors.New("no data folder: name one with --data"))
	}
	if o.Mesh == nil {
		return errors.Join(append(faults, errors.New("no manifest"))...)
	}
	if o.Mesh.Views.Store.Reveal() != sqliteStore {
		faults = append(faults, fmt.Errorf("views.store is %s, and this version keeps views in SQLite only, in the data folder: set it to sqlite", o.Mesh.Views.Store))
	}
	if o.embeddedBroker() && len(o.Roles) > 0 && len(o.Roles) < len(AllRoles) {
		faults = append(faults, errors.New("an embedded broker serves one process only: set kafka.bootstrap in the manifest to run roles apart"))
	}
	return errors.Join(faults...)
}

func (o *Options) embeddedBroker() bool   { return o.Mesh.Kafka.Bootstrap == mesh.Embedded }
func (o *Options) embeddedRegistry() bool { return o.Mesh.Registry.URL == mesh.Embedded }
func (o *Options) has(r Role) bool        { return slices.Contains(o.Roles, r) }
func (o *Options) path(parts ...string) string {
	return filepath.Join(append([]string{o.DataDir}, parts...)...)
}

// partitions of the mesh's data topics.
func (o *Options) partitions() int32 {
	switch {
	case o.Mesh.Topics.Partitions > 0:
		return o.Mesh.Topics.Partitions
	case o.embeddedBroker():
		return 4
	}
	return 12
}

package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"tributary/processors/state"
	"tributary/schemas"
	"tributary/schemas/registry"
	"tributary/serve/freshness"
	"tributary/sinks/views"
	"tributary/topics"
)

// A node is one running process.
type node struct {
	Options
	names       topics.Names
	partitions  int32
	kafka       *topics.Broker // embedded; nil otherwise
	cluster     *topics.Cluster
	registry    *registry.Client
	follower    *topics.Follower
	requests    *topics.Requests
	codecs      map[string]*schemas.EntityCodec
	generations map[string]uint32
	frames      frames
	state       *state.Store
	views       views.Store
	recorder    *topics.Recorder
	metrics     *prometheus.Registry
	repaired    prometheus.Counter
	tracker     *freshness.Tracker
	watch       *watch
	old         *oldViews // answers until the views derived anew have caught up; nil otherwise
	ready       *readiness
	addrs       Addrs // as they came to be
	halt        *halt
}

// Run runs a process until ctx ends, then ends everything it started: records under way are
// committed or aborted, and all can be resumed.
func Run(ctx context.Context, o Options) error {
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return err
	}
	o.Log = o.Log.With().Str("mesh", o.Mesh.Name).Logger()
	unlock, err := lockDir(o.DataDir)
	if err != nil {
		return diskFault(o.DataDir, err)
	}
	defer unlock()
	if o.Instance == "" {
		if o.Instance, err = instanceName(o.path("instance")); err != nil {
			return diskFault(o.DataDir, err)
		}
	}
	n := &node{Options: o, names: topics.Names(o.Mesh.Name), partitions: o.partitions(),
		codecs: map[string]*schemas.EntityCodec{}, generations: map[string]uint32{}, recorder: topics.NewRecorder(o.Instance),
		metrics: o.Metrics, repaired: newRepaired(), halt: newHalt()}
	for _, e := range o.Mesh.Entities {
		n.codecs[e.Name] = schemas.NewEntityCodec(o.Mesh.Name, e)
		n.generations[e.Name] = 1
	}
	n.tracker = freshness.New(o.Mesh, n.partitions, time.Now)
	n.watch = newWatch(o.Mesh, o.Log)
	if err := n.preflight(ctx); err != nil {
		return err
	}
	// Brokers outlive everything that writes to them.
	if n.kafka, err = n.startBroker(); err != nil {
		return diskFault(n.DataDir, err)
	}
	return n.runOrHalt(ctx)
}

func (n *node) startBroker() (*topics.Broker, error) {
	if !n.embeddedBroker() {
		n.addrs.Kafka = n.Mesh.Kafka.Bootstrap
		return nil, nil
	}
	b, err := topics.StartBroker(n.path("kafka"), n.Addrs.Kafka, n.Log)
	if err != nil {
		return nil, err
	}
	n.addrs.Kafka = b.Addr()
	return b, nil
}

func (n *node) run(ctx context.Context) (err error) {
	if n.cluster, err = topics.NewCluster(n.Mesh.Kafka, n.addrs.Kafka); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	// Whatever fails below, what was started must end before the stores close.
	defer func() {
		err = errors.Join(err, n.close())
	}()
	wait := func(err error) error {
		if err != nil {
			g.Go(func() error { return err })
		}
		return g.Wait()
	}
	if err := n.startRegistry(ctx, g); err != nil {
		return wait(err)
	}
	if err := n.prepare(ctx); err != nil {
		return wait(err)
	}
	g.Go(func() error { return n.follower.Run(ctx) })
	g.Go(func() error { return n.requests.Run(ctx) })
	if n.kafka != nil {
		tidy := &topics.Tidy{Broker: n.kafka, Cluster: n.cluster, Checkpoint: []string{n.names.Positions(), n.names.Claims()},
			Retain: dataSpecs(n.Mesh, n.names, n.partitions, n.generation), Log: n.Log}
		g.Go(func() error { return tidy.Run(ctx) })
	}
	for _, start := range []struct {
		role Role
		run  func(context.Context, *errgroup.Group) error
	}{{Serve, n.startServing}, {Process, n.startProcessing}, {Ingest, n.startIngest}, {Sink, n.startAnalytics}} {
		if !n.has(start.role) {
			continue
		}
		if err := start.run(ctx, g); err != nil {
			return wait(fmt.Errorf("%s: %w", start.role, err))
		}
	}
	if err := n.startAdmin(ctx, g); err != nil {
		return wait(err)
	}
	if err := n.startTelemetry(ctx, g); err != nil {
		return wait(err)
	}
	if err := n.tellAddrs(); err != nil {
		return wait(err)
	}
	g.Go(func() error { return n.announce(ctx) })
	return g.Wait()
}

// close closes the stores once nothing uses them.
func (n *node) close() error {
	var faults []error
	if n.state != nil {
		if !n.halt.called.Load() { // it would try to write without end
			faults = append(faults, n.state.Close())
		}
	}
	if n.views != nil {
		faults = append(faults, n.views.Close())
	}
	if n.old != nil {
		faults = append(faults, n.old.store.Close())
	}
	if n.registry != nil {
		n.registry.Close()
	}
	return errors.Join(faults...)
}

// prepare makes the topics, registers the schemas and opens the stores.
func (n *node) prepare(ctx context.Context) error {
	if err := n.cluster.Ensure(ctx, stateSpecs(n.Mesh, n.names)); err != nil {
		return err
	}
	var err error
	if n.frames.positions, err = topics.NewFrame(ctx, n.registry, n.names.Positions(), topics.PositionKeySchema, topics.PositionRecordSchema); err != nil {
		return err
	}
	if err := n.settleGenerations(ctx); err != nil {
		return err
	}
	if err := n.cluster.Ensure(ctx, dataSpecs(n.Mesh, n.names, n.partitions, n.generation)); err != nil {
		return err
	}
	if n.frames, err = n.register(ctx); err != nil {
		return err
	}
	if n.follower, err = topics.NewFollower(n.cluster, n.names); err != nil {
		return err
	}
	if n.requests, err = topics.NewRequests(n.cluster, n.names, n.frames.requests, n.Instance, n.Log); err != nil {
		return err
	}
	if n.has(Process) {
		if n.state, err = state.Open(n.path("state"), n.Log); err != nil {
			return err
		}
		go n.halt.on(n.state.Failed())
	}
	return nil
}

func (n *node) generation(entity string) uint32 { return n.generations[entity] }

// startRegistry serves the embedded registry, and connects to it or to the external one.
func (n *node) startRegistry(ctx context.Context, g *errgroup.Group) error {
	url := n.Mesh.Registry.URL
	if n.embeddedRegistry() {
		srv, err := registry.Open(ctx, n.cluster.Options(), registry.Options{Log: n.Log})
		if err != nil {
			return err
		}
		ln, err := listen(n.Addrs.Registry, "registry", "--registry-addr")
		if err != nil {
			return err
		}
		g.Go(func() error { return srv.Run(ctx) })
		g.Go(func() error { return serveHTTP(ctx, ln, srv.Handler()) })
		url = "http://" + ln.Addr().String()
	}
	n.addrs.Registry = url
	var err error
	n.registry, err = n.registryClient(url)
	return err
}

func (n *node) registryClient(url string) (*registry.Client, error) {
	return registry.NewClient(url, n.Mesh.Registry.Username.Reveal(), n.Mesh.Registry.Password.Reveal())
}

// serveHTTP serves until ctx ends, then lets requests under way finish.
func serveHTTP(ctx context.Context, ln net.Listener, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := srv.Shutdown(stop)
	<-done
	if err != nil {
		return err
	}
	return ctx.Err()
}

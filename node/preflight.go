package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"tributary/mesh"
	"tributary/topics"
)

// answerWithin is how long a Kafka or a registry of one's own may take to answer at the start. A
// mesh can do nothing without them, so it says so and ends; while it runs, it waits for them.
const answerWithin = 5 * time.Second

// preflight looks at what a start needs from outside, all faults at once, before anything runs.
// Databases and an external ClickHouse are not among it: the rest works while they are down (I7).
func (n *node) preflight(ctx context.Context) error {
	var faults []error
	for _, p := range n.ports() {
		ln, err := listen(p.addr, p.name, p.flag)
		if err == nil {
			err = ln.Close()
		}
		faults = append(faults, err)
	}
	if !n.embeddedBroker() {
		faults = append(faults, reachKafka(ctx, n.Mesh.Kafka))
	}
	if !n.embeddedRegistry() {
		faults = append(faults, n.reachRegistry(ctx))
	}
	return errors.Join(faults...)
}

// A port is an address that a process listens on, and the flag that sets it.
type port struct{ name, flag, addr string }

// ports are those that these options listen on.
func (o *Options) ports() []port {
	var out []port
	add := func(wanted bool, name, addr string) {
		if wanted {
			out = append(out, port{name, "--" + name + "-addr", addr})
		}
	}
	add(o.has(Serve), "gateway", o.Addrs.Gateway)
	add(o.embeddedRegistry(), "registry", o.Addrs.Registry)
	add(true, "admin", o.Addrs.Admin)
	add(o.embeddedBroker(), "kafka", o.Addrs.Kafka)
	add(o.has(Sink) && o.Mesh.Analytics.ClickHouse.Ref == mesh.Embedded, "clickhouse", o.Addrs.ClickHouse)
	return out
}

func listen(addr, what, flag string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s: %s is in use by another process: stop it, or choose another address with %s", what, addr, flag)
	case err != nil:
		return nil, fmt.Errorf("%s: %w: choose another address with %s", what, err, flag)
	}
	return ln, nil
}

// reachKafka waits a moment for a Kafka that may start beside this process.
func reachKafka(ctx context.Context, k mesh.Kafka) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	const pause = 250 * time.Millisecond
	for {
		err := ping(ctx, k, k.Bootstrap)
		if err == nil {
			return nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("kafka: %s does not answer: %w: start it, or mend kafka.bootstrap, kafka.tls and kafka.sasl in the manifest", k.Bootstrap, err)
		}
	}
}

func ping(ctx context.Context, k mesh.Kafka, bootstrap string) error {
	cluster, err := topics.NewCluster(k, bootstrap)
	if err != nil {
		return err
	}
	cl, err := cluster.Client()
	if err != nil {
		return err
	}
	defer cl.Close()
	return cl.Ping(ctx)
}

func (n *node) reachRegistry(ctx context.Context) error {
	client, err := n.registryClient(n.Mesh.Registry.URL)
	if err != nil {
		return err
	}
	defer client.Close()
	return client.Reach(ctx, answerWithin)
}

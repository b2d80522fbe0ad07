package node

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"tributary/schemas"
	"tributary/serve"
	"tributary/serve/freshness"
	"tributary/sinks/views"
	"tributary/sinks/views/sqlite"
	"tributary/topics"
)

// startServing follows the views into this process's store and answers requests from it. While
// a changed manifest's views are derived anew, requests are answered from the tables of before.
func (n *node) startServing(ctx context.Context, g *errgroup.Group) error {
	var err error
	if n.ready, err = n.newReadiness(ctx); err != nil {
		return err
	}
	if err := n.openViews(ctx); err != nil {
		return err
	}
	codecs := make([]*schemas.EntityCodec, 0, len(n.Mesh.Entities))
	for _, e := range n.Mesh.Entities {
		codecs = append(codecs, n.codecs[e.Name])
	}
	sink := &views.Sink{Store: n.views, Cluster: n.cluster, Follower: n.follower, Names: n.names, Codecs: codecs,
		Generation: n.generation, Partitions: n.partitions, MaxOutage: n.Mesh.MaxOutage, Log: n.Log,
		Applied: n.applied, Failed: func(err error) {
			n.recorder.Series(topics.SeriesKey{Stage: topics.StageSink}).Error()
			n.halt.ifFull(err)
		}}
	g.Go(func() error { return sink.Run(ctx) })
	if err := n.startWatch(ctx, g); err != nil {
		return err
	}
	return n.startGateway(ctx, g)
}

// applied tells everyone who waits for views what the store holds now.
func (n *node) applied(a views.Applied) {
	if err := n.tracker.Update(a.Entity, a.Partition, a.Frontiers); err != nil {
		n.Log.Error().Err(err).Str("entity", a.Entity).Msg("freshness")
	}
	n.ready.applied(a)
	series := n.recorder.Series(topics.SeriesKey{Stage: topics.StageSink, Entity: a.Entity, Partition: a.Partition})
	if a.Rows > 0 {
		series.Add(int64(a.Rows), a.Bytes)
		series.SetLag(a.Lag, 0)
	}
	for _, f := range a.Frontiers {
		if !f.Through.IsZero() {
			n.recorder.Series(topics.SeriesKey{Stage: topics.StageSink, Entity: a.Entity, Stream: f.Stream, Partition: a.Partition}).SetVerified(f.Through.UnixMicro())
		}
	}
}

// The folder of the view stores holds a file for each set of generations, and the name of the
// one that requests are answered from.
const currentViews = "current"

// openViews opens the store of this manifest's generations, and the one that answered last if
// it is another.
func (n *node) openViews(ctx context.Context) error {
	if err := os.MkdirAll(n.path("views"), 0o700); err != nil {
		return err
	}
	name := n.viewsFile()
	var err error
	if n.views, err = sqlite.Open(sqlite.Options{Path: n.path("views", name)}); err != nil {
		return err
	}
	if err := n.views.Define(ctx, n.Mesh.Entities); err != nil {
		return err
	}
	last, err := os.ReadFile(n.path("views", currentViews))
	if errors.Is(err, os.ErrNotExist) || string(last) == name {
		return n.switchTo(name)
	}
	if err != nil {
		return err
	}
	return n.openOld(ctx, string(last))
}

// viewsFile names the store by the generations of its entities.
func (n *node) viewsFile() string {
	var b strings.Builder
	b.WriteString("views")
	for _, e := range n.Mesh.Entities {
		if g := n.generation(e.Name); g > 1 {
			fmt.Fprintf(&b, "-%s.g%d", e.Name, g)
		}
	}
	return b.String() + ".db"
}

// openOld lets requests be answered from the tables of before, as far as the new manifest can
// still read them.
func (n *node) openOld(ctx context.Context, name string) error {
	old, err := sqlite.Open(sqlite.Options{Path: n.path("views", name)})
	if err != nil {
		return err
	}
	if err := old.Define(ctx, n.Mesh.Entities); err != nil {
		n.Log.Warn().Err(err).Msg("the tables of before cannot answer for the new manifest; requests wait for the new ones")
		return errors.Join(old.Close(), n.switchTo(n.viewsFile()))
	}
	tracker := freshness.New(n.Mesh, n.partitions, time.Now)
	for _, e := range n.Mesh.Entities {
		p, err := old.Progress(ctx, e.Name)
		if err != nil {
			return errors.Join(err, old.Close())
		}
		for q := range n.partitions {
			if err := tracker.Update(e.Name, q, ofPartition(p.Frontiers, q)); err != nil {
				return errors.Join(err, old.Close())
			}
		}
	}
	n.old = &oldViews{name: name, store: old, tracker: tracker}
	n.watch.tell(tracker)
	return nil
}

// oldViews answer until the new ones have caught up.
type oldViews struct {
	name    string
	store   views.Store
	tracker *freshness.Tracker
}

func ofPartition(all []views.Frontier, q int32) (out []views.Frontier) {
	for _, f := range all {
		if f.Partition == q {
			out = append(out, f)
		}
	}
	return out
}

// switchTo records which store answers, so that a restart begins with it.
func (n *node) switchTo(name string) error {
	path := n.path("views", currentViews)
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, []byte(name), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// startGateway answers requests from the view store. The listener is taken at once, so that a
// port in use is known before anything runs.
func (n *node) startGateway(ctx context.Context, g *errgroup.Group) error {
	ln, err := listen(n.Addrs.Gateway, "gateway", "--gateway-addr")
	if err != nil {
		return err
	}
	n.addrs.Gateway = "http://" + ln.Addr().String()
	current, err := serve.New(n.gatewayOptions(n.views, n.tracker))
	if err != nil {
		return err
	}
	front := &front{}
	front.serve.Store(current)
	if n.old != nil {
		old := n.gatewayOptions(n.old.store, n.old.tracker)
		old.Registerer, old.Ready = nil, nil
		before, err := serve.New(old)
		if err != nil {
			return err
		}
		front.serve.Store(before)
		g.Go(func() error { return n.takeOver(ctx, front, current) })
	}
	g.Go(func() error { return serveHTTP(ctx, ln, front) })
	return nil
}

func (n *node) gatewayOptions(store views.Store, tracker *freshness.Tracker) serve.Options {
	return serve.Options{Mesh: n.Mesh, Store: store, Freshness: tracker, Ready: n.ready.Ready, Registerer: n.metrics, Log: n.Log,
		Status: n.statusOf(store, tracker)}
}

// A front hands requests to the gateway that answers now.
type front struct{ serve atomic.Pointer[serve.Gateway] }

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.serve.Load().ServeHTTP(w, r) }

// takeOver lets the new views answer once they have caught up, and removes the old ones.
func (n *node) takeOver(ctx context.Context, front *front, current *serve.Gateway) error {
	if err := n.awaitReady(ctx); err != nil {
		return err
	}
	front.serve.Store(current)
	if err := n.switchTo(n.viewsFile()); err != nil {
		return err
	}
	n.Log.Info().Str("views", n.viewsFile()).Msg("the views derived anew answer from now on")
	if err := n.old.store.Close(); err != nil { // waits for requests under way
		return err
	}
	files, err := filepath.Glob(n.path("views", n.old.name+"*"))
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := os.Remove(f); err != nil {
			return err
		}
	}
	return nil
}

package node

import (
	"context"

	"golang.org/x/sync/errgroup"

	"tributary/serve"
)

// startGateway answers requests from the view store. The listener is taken at once, so that a
// port in use is known before anything runs.
func (n *node) startGateway(ctx context.Context, g *errgroup.Group) error {
	gateway, err := serve.New(serve.Options{Mesh: n.Mesh, Store: n.views, Freshness: n.tracker,
		Ready: n.ready.Ready, Registerer: n.metrics, Log: n.Log})
	if err != nil {
		return err
	}
	ln, err := listen(n.Addrs.Gateway, "gateway", "--gateway-addr")
	if err != nil {
		return err
	}
	n.addrs.Gateway = "http://" + ln.Addr().String()
	g.Go(func() error { return gateway.Serve(ctx, ln) })
	return nil
}

package node

import (
	"context"
	"net/http"
	"net/http/pprof"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"
)

// startAdmin serves metrics and profiles to operators.
func (n *node) startAdmin(ctx context.Context, g *errgroup.Group) error {
	ln, err := listen(n.Addrs.Admin, "admin", "--admin-addr")
	if err != nil {
		return err
	}
	n.addrs.Admin = "http://" + ln.Addr().String()
	n.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), n.recorder, n.repaired)
	r := chi.NewRouter()
	r.Handle("/metrics", promhttp.HandlerFor(n.metrics, promhttp.HandlerOpts{}))
	r.HandleFunc("/debug/pprof/*", pprof.Index)
	r.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	r.HandleFunc("/debug/pprof/profile", pprof.Profile)
	r.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	r.HandleFunc("/debug/pprof/trace", pprof.Trace)
	r.Get("/healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	g.Go(func() error { return serveHTTP(ctx, ln, r) })
	return nil
}

// newRepaired makes the counter of contributions that came behind a newer one of their key (I13).
func newRepaired() prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{
		Name: "tributary_order_repaired_total",
		Help: "Records that came behind a newer record of their key and were repaired; 0 unless something else wrote to our topics.",
	})
}

package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"tributary/mesh"
	"tributary/serve/catalog"
	"tributary/serve/freshness"
	"tributary/serve/graphql"
	"tributary/serve/openapi"
	"tributary/serve/rest"
	"tributary/serve/rowmeta"
	"tributary/serve/statements"
)

// Options of a Gateway. Mesh, Store and Freshness are required.
type Options struct {
	Mesh      *mesh.Mesh
	Store     statements.Preparer // a views.Store
	Freshness *freshness.Tracker
	// DecodeMeta reads the provenance of a row; nil: rowmeta.FromSchemas.
	DecodeMeta rowmeta.Decode
	// Status answers /v1/_status; nil: what the tracker knows.
	Status rest.StatusProvider
	// Ready says by an error what is missing before requests should come; nil: nothing.
	Ready func() error
	// Locales gives the locales that the views hold, for Accept-Language; nil: not known.
	Locales func() []string
	// Registerer takes the gateway's metrics; nil: none are kept.
	Registerer prometheus.Registerer
	Log        zerolog.Logger
	Limits     graphql.Limits
	// Timeout of one request; 30 s.
	Timeout time.Duration
}

// EnsureDefaults fills in what may be left out.
func (o *Options) EnsureDefaults() {
	if o.DecodeMeta == nil {
		o.DecodeMeta = rowmeta.FromSchemas
	}
	if o.Ready == nil {
		o.Ready = func() error { return nil }
	}
	if o.Registerer == nil {
		o.Registerer = prometheus.NewRegistry()
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Status == nil && o.Mesh != nil && o.Freshness != nil {
		names := make([]string, len(o.Mesh.Entities))
		for i, e := range o.Mesh.Entities {
			names[i] = e.Name
		}
		o.Status = rest.FromTracker{Mesh: o.Mesh.Name, Entities: names, Tracker: o.Freshness}
	}
}

// Validate reports every fault of the options.
func (o *Options) Validate() error {
	var faults []error
	if o.Mesh == nil {
		faults = append(faults, errors.New("gateway: Mesh is missing"))
	}
	if o.Store == nil {
		faults = append(faults, errors.New("gateway: Store is missing"))
	}
	if o.Freshness == nil {
		faults = append(faults, errors.New("gateway: Freshness is missing"))
	}
	return errors.Join(faults...)
}

// A Gateway answers HTTP requests about the views of a mesh.
type Gateway struct {
	router  chi.Router
	log     zerolog.Logger
	timeout time.Duration
}

// New makes a gateway.
func New(o Options) (*Gateway, error) {
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	c, err := catalog.New(o.Mesh)
	if err != nil {
		return nil, fmt.Errorf("gateway of mesh %s: %w", o.Mesh.Name, err)
	}
	m, err := newMetrics(o.Registerer)
	if err != nil {
		return nil, err
	}
	prepared := statements.New(o.Store)
	gql, err := graphql.New(graphql.Options{
		Catalog: c, Statements: prepared, Freshness: o.Freshness, Decode: o.DecodeMeta, Locales: o.Locales,
		Metrics: m, Limits: o.Limits, Timeout: o.Timeout, Log: o.Log,
	})
	if err != nil {
		return nil, fmt.Errorf("gateway of mesh %s: %w", o.Mesh.Name, err)
	}
	document, err := openapi.Of(c)
	if err != nil {
		return nil, fmt.Errorf("gateway of mesh %s: OpenAPI document: %w", o.Mesh.Name, err)
	}
	r := chi.NewRouter()
	g := &Gateway{router: r, log: o.Log, timeout: o.Timeout}
	r.Use(m.measure, g.recover, limitURL)
	r.Handle("/graphql", gql)
	rest.New(rest.Options{
		Catalog: c, Statements: prepared, Freshness: o.Freshness, Decode: o.DecodeMeta, Status: o.Status, Log: o.Log,
		Answer: o.Limits.Answer, Timeout: o.Timeout,
	}).Mount(r)
	return g, mountPages(r, c, document, o.Ready)
}

// ServeHTTP implements http.Handler.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) { g.router.ServeHTTP(w, r) }

// How long requests may go on after the gateway was told to stop.
const drain = 8 * time.Second

// Serve answers on a listener until ctx ends, then lets running requests finish for at most 8 s
// and returns nil. It closes the listener.
func (g *Gateway) Serve(ctx context.Context, ln net.Listener) error {
	server := &http.Server{
		Handler: g, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second,
		WriteTimeout: g.timeout + 15*time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	}
	stopped := make(chan error, 1)
	go func() { stopped <- server.Serve(ln) }()
	select {
	case err := <-stopped:
		return fmt.Errorf("gateway on %s: %w", ln.Addr(), err)
	case <-ctx.Done():
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	err := server.Shutdown(bounded)
	if errors.Is(err, context.DeadlineExceeded) {
		g.log.Warn().Dur("after", drain).Msg("requests were still running and have been cut off")
		err = server.Close()
	}
	<-stopped
	return err
}

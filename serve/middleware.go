package serve

import (
	"errors"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"

	"tributary/serve/rest"
)

// maxURL bounds the length of a request's target in bytes.
const maxURL = 16 << 10

// limitURL refuses requests with too long a target.
func limitURL(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.RequestURI) > maxURL {
			rest.WriteProblem(w, &rest.Problem{
				Type: "urn:tributary:problem:uri-too-long", Title: "The URL is too long", Status: http.StatusRequestURITooLong,
				Detail: "The URL is longer than " + strconv.Itoa(maxURL) + " bytes: send GraphQL by POST, or ask in several requests.",
			})
			return
		}
		w.Header()["X-Content-Type-Options"] = []string{"nosniff"}
		next.ServeHTTP(w, r)
	})
}

// recover turns a panic into a problem; the stack is in the log only.
func (g *Gateway) recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			fault := recover()
			if fault == nil {
				return
			}
			if err, ok := fault.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(fault) // net/http's own sign to drop the connection
			}
			g.log.Error().Interface("panic", fault).Str("path", r.URL.Path).Bytes("stack", debug.Stack()).Msg("a request panicked: please report this as a bug")
			if answered, ok := w.(*recorder); !ok || answered.status == 0 {
				rest.WriteProblem(w, rest.Internal())
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// metrics are the gateway's own.
type metrics struct {
	requests  *prometheus.CounterVec
	seconds   *prometheus.HistogramVec
	hit, miss prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	documents := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tributary_gateway_documents_total", Help: "GraphQL documents, by whether they were in the cache.",
	}, []string{"cache"})
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tributary_gateway_requests_total", Help: "Requests answered, by route, method and status.",
		}, []string{"route", "method", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tributary_gateway_request_seconds", Help: "Time to answer, by route.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"route"}),
		hit: documents.WithLabelValues("hit"), miss: documents.WithLabelValues("miss"),
	}
	for _, c := range []prometheus.Collector{documents, m.requests, m.seconds} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Document implements graphql.Metrics.
func (m *metrics) Document(hit bool) {
	if hit {
		m.hit.Inc()
	} else {
		m.miss.Inc()
	}
}

// recorder remembers the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (m *metrics) measure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		start := time.Now()
		rec := &recorder{ResponseWriter: w}
		next.ServeHTTP(rec, req)
		route := chi.RouteContext(req.Context()).RoutePattern()
		if route == "" || rec.status == http.StatusNotFound && route == "/*" {
			route = "none" // whatever a client makes up must not become a label
		}
		m.seconds.WithLabelValues(route).Observe(time.Since(start).Seconds())
		m.requests.WithLabelValues(route, method(req.Method), strconv.Itoa(max(rec.status, http.StatusOK))).Inc()
	})
}

// method bounds the values of the label.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodOptions:
		return m
	}
	return "other"
}

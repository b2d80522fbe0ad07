package graphql

import (
	"sort"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"tributary/serve/catalog"
	"tributary/serve/freshness"
	"tributary/serve/lru"
	"tributary/serve/rowmeta"
	"tributary/serve/statements"
)

// Metrics counts what happens to documents. Its methods may be called concurrently.
type Metrics interface {
	// Document is called for each request that names a document; hit: it was in the cache.
	Document(hit bool)
}

// Options of a Server. Catalog, Statements, Freshness and Decode are required.
type Options struct {
	Catalog    *catalog.Catalog
	Statements *statements.Cache
	Freshness  *freshness.Tracker
	// Decode reads provenance, for _meta.fields.
	Decode rowmeta.Decode
	// Locales gives the locales that views hold, for Accept-Language; nil: not known, and the
	// client's first language is taken.
	Locales func() []string
	Metrics Metrics // nil: none
	Limits  Limits
	Timeout time.Duration // of one request; default 30 s
	Log     zerolog.Logger
	// CacheBytes bounds the text of cached documents and what is derived from it; 64 MiB.
	CacheBytes int
}

// A Server answers GraphQL requests over HTTP. It is safe for concurrent use.
type Server struct {
	catalog    *catalog.Catalog
	tracker    *freshness.Tracker
	decode     rowmeta.Decode
	locales    func() []string
	metrics    counter
	limits     Limits
	timeout    time.Duration
	log        zerolog.Logger
	schema     *ast.Schema
	rules      []validator.Rule
	targets    map[string]target
	documents  *lru.Cache[*document]
	statements *statements.Cache
	mark       string
	opening    []byte
	buffers    sync.Pool // of *buffers
}

// A target is what a root field leads to.
type target struct {
	entity *catalog.Entity
	by     *catalog.Field // nil for lists
}

// A cached document with its plans takes about so many bytes for one of its text.
const documentFactor = 60

const maxDocuments = 10_000

// New makes a Server for a mesh.
func New(o Options) (*Server, error) {
	schema, err := load(sdl(o.Catalog))
	if err != nil {
		return nil, err
	}
	if o.Locales == nil {
		o.Locales = func() []string { return nil }
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.CacheBytes <= 0 {
		o.CacheBytes = 64 << 20
	}
	o.Limits.ensureDefaults()
	mark := rowmeta.NewMark()
	s := &Server{
		catalog: o.Catalog, tracker: o.Freshness, decode: o.Decode, locales: o.Locales, metrics: counter{o.Metrics},
		limits: o.Limits, timeout: o.Timeout, log: o.Log, schema: schema, rules: specifiedRules(), targets: targets(o.Catalog),
		documents:  lru.New[*document](maxDocuments, o.CacheBytes, documentFactor),
		statements: o.Statements, mark: mark, opening: rowmeta.OpeningOf(mark),
	}
	return s, nil
}

func targets(c *catalog.Catalog) map[string]target {
	out := map[string]target{}
	for _, e := range c.Entities {
		out[e.Single] = target{e, e.Key}
		out[e.List] = target{entity: e}
		for _, f := range e.Unique() {
			out[e.LookupName(f)] = target{e, f}
		}
	}
	return out
}

// specifiedRules are the specification's validation rules, sorted so that faults always come
// in the same order.
func specifiedRules() []validator.Rule {
	var out []validator.Rule
	for name, rule := range rules.NewDefaultRules().GetInner() {
		out = append(out, validator.Rule{Name: name, RuleFunc: rule})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

// A counter is Metrics that may be missing.
type counter struct{ Metrics }

func (c counter) hit() {
	if c.Metrics != nil {
		c.Document(true)
	}
}

func (c counter) miss() {
	if c.Metrics != nil {
		c.Document(false)
	}
}

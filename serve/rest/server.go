package rest

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/rs/zerolog"

	"tributary/serve/catalog"
	"tributary/serve/freshness"
	"tributary/serve/paging"
	"tributary/serve/rowmeta"
	"tributary/serve/statements"
	"tributary/sinks/views"
)

// Options of a Server. All but Answer and Timeout are required.
type Options struct {
	Catalog    *catalog.Catalog
	Statements *statements.Cache
	Freshness  *freshness.Tracker
	Decode     rowmeta.Decode
	Status     StatusProvider
	Log        zerolog.Logger
	Answer     int           // bytes of an answer at most; 32 MiB
	Timeout    time.Duration // of one request; 30 s
}

// A Server answers requests under /v1. It is safe for concurrent use.
type Server struct {
	Options
	log     zerolog.Logger
	mark    string
	opening []byte
	buffers sync.Pool // of *[]byte
}

// New makes a Server.
func New(o Options) *Server {
	if o.Answer <= 0 {
		o.Answer = 32 << 20
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	mark := rowmeta.NewMark()
	return &Server{Options: o, log: o.Log, mark: mark, opening: rowmeta.OpeningOf(mark)}
}

// Mount adds the routes below /v1 to a router.
func (s *Server) Mount(r chi.Router) {
	for _, e := range s.Catalog.Entities {
		s.get(r, "/v1/"+e.Path, func(w http.ResponseWriter, req *http.Request) { s.list(w, req, e) })
		s.get(r, "/v1/"+e.Path+"/{id}", func(w http.ResponseWriter, req *http.Request) { s.one(w, req, e) })
	}
	s.get(r, "/v1/_status", s.status)
	s.get(r, "/v1/_why/{entity}/{id}", s.why)
}

func (s *Server) get(r chi.Router, path string, h http.HandlerFunc) {
	timed := func(w http.ResponseWriter, req *http.Request) {
		ctx, cancel := context.WithTimeout(req.Context(), s.Timeout)
		defer cancel()
		h(w, req.WithContext(ctx))
	}
	r.Get(path, timed)
	r.Head(path, timed)
}

// writer takes the snapshot of freshness, before any row is read (I4).
func (s *Server) writer(r *request) *rowmeta.Writer {
	return &rowmeta.Writer{
		Opening: s.opening, Decode: s.Decode, Specs: []rowmeta.Spec{r.spec()},
		Snapshots: []*freshness.Snapshot{s.Freshness.Snapshot(r.entity.Entity.Name)}, Now: s.Freshness.Now(),
	}
}

// run reads rows into the answer.
func (s *Server) run(ctx context.Context, r *request, q *query, fn func(json, cursor []byte) error) *Problem {
	stmt, err := s.Statements.Statement(ctx, &q.Query)
	if err == nil {
		err = stmt.Run(ctx, q.args, fn)
	}
	if err != nil {
		return s.failed(r.entity.Entity.Name, err)
	}
	return nil
}

func appendRow(dst []byte, w *rowmeta.Writer, r *request, row []byte) ([]byte, error) {
	if r.provenance {
		return w.Append(dst, row)
	}
	return w.AppendWithout(dst, row)
}

// one answers with the entity of an id.
func (s *Server) one(w http.ResponseWriter, req *http.Request, e *catalog.Entity) {
	id, err := idOf(req)
	var value any
	if err == nil {
		value, err = catalog.Parse(e.Key.Type, id)
	}
	partition := freshness.All
	if err == nil {
		partition = s.Freshness.Snapshot(e.Entity.Name).PartitionOf(fmt.Sprint(value)) // the canonical id
	}
	r, p := parse(e, req.URL.Query(), false)
	if p == nil && err != nil {
		p = NotFound(fmt.Sprintf("There is no %s with this %s: %s.", e.Single, e.Key.Name, err))
	}
	if p != nil {
		s.refuse(w, e, partition, p)
		return
	}
	q := r.query(s.mark)
	q.Where = &views.Cond{Op: views.Eq, Field: e.Key.Field, Arg: q.arg(value)}
	writer := s.writer(r)
	reading := writer.Snapshots[0].View(partition, writer.Specs[0].Bounds, writer.Now)
	buf, release := s.buffer()
	defer release()
	found := false
	p = s.run(req.Context(), r, q, func(json, _ []byte) (err error) {
		found = true
		*buf, err = appendRow(*buf, writer, r, json)
		return err
	})
	switch {
	case p != nil:
		s.refuse(w, e, partition, p)
	case !found:
		setFreshness(w.Header(), reading, writer.Now)
		WriteProblem(w, NotFound(fmt.Sprintf("There is no %s with the %s %q.", e.Single, e.Key.Name, short(id))))
	default:
		setFreshness(w.Header(), writer.Seen, writer.Now)
		writeTagged(w, req, *buf)
	}
}

// idOf gives the id of the path. Chi matches the path as it was escaped, where that differs.
func idOf(req *http.Request) (string, error) {
	id := chi.URLParam(req, "id")
	if req.URL.RawPath == "" {
		return id, nil
	}
	return url.PathUnescape(id)
}

// refuse answers with a problem, and with the freshness of what was asked for.
func (s *Server) refuse(w http.ResponseWriter, e *catalog.Entity, partition int32, p *Problem) {
	now := s.Freshness.Now()
	setFreshness(w.Header(), s.Freshness.Snapshot(e.Entity.Name).View(partition, freshness.BoundsOf(nil), now), now)
	WriteProblem(w, p)
}

// list answers with a page of entities.
func (s *Server) list(w http.ResponseWriter, req *http.Request, e *catalog.Entity) {
	r, p := parse(e, req.URL.Query(), true)
	var q *query
	if p == nil {
		q = r.query(s.mark)
		p = q.list(r)
	}
	if p != nil {
		s.refuse(w, e, freshness.All, p)
		return
	}
	writer := s.writer(r)
	reading := writer.Snapshots[0].View(freshness.All, writer.Specs[0].Bounds, writer.Now)
	buf, release := s.buffer()
	defer release()
	*buf = append(*buf, `{"items":[`...)
	var rows int64
	var end []byte
	next := false
	p = s.run(req.Context(), r, q, func(json, cursor []byte) (err error) {
		if rows == r.first {
			next = true
			return nil
		}
		if rows++; rows > 1 {
			*buf = append(*buf, ',')
		}
		if len(*buf) > s.Answer {
			return errTooLarge
		}
		end = append(end[:0], cursor...)
		*buf, err = appendRow(*buf, writer, r, json)
		return err
	})
	if p != nil {
		s.refuse(w, e, freshness.All, p)
		return
	}
	if rows > 0 {
		reading = reading.Worse(writer.Seen)
	}
	*buf = appendNext(*buf, q.tag, end, next && rows > 0)
	setFreshness(w.Header(), reading, writer.Now)
	writeTagged(w, req, *buf)
}

func appendNext(dst []byte, tag paging.Tag, end []byte, next bool) []byte {
	dst = append(dst, `],"next":`...)
	if !next {
		return append(dst, "null}"...)
	}
	return append(paging.AppendCursor(append(dst, '"'), tag, end), `"}`...)
}

// keep bounds the buffers that are kept for further requests.
const keep = 256 << 10

func (s *Server) buffer() (buf *[]byte, release func()) {
	buf, _ = s.buffers.Get().(*[]byte)
	if buf == nil {
		buf = new([]byte)
	}
	*buf = (*buf)[:0]
	return buf, func() {
		if cap(*buf) <= keep {
			s.buffers.Put(buf)
		}
	}
}

// The headers of freshness.
const (
	HeaderStaleness = "Tributary-Staleness" // milliseconds; absent when unknown
	HeaderState     = "Tributary-State"
)

func setFreshness(h http.Header, r freshness.Reading, now time.Time) {
	h[HeaderState] = []string{r.State.String()}
	if stale, ok := r.Staleness(now); ok {
		h[HeaderStaleness] = []string{strconv.FormatInt(stale.Milliseconds(), 10)}
	}
}

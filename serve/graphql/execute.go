package graphql

import (
	"context"
	"errors"
	"time"

	"tributary/serve/catalog"
	"tributary/serve/freshness"
	"tributary/serve/jsontext"
	"tributary/serve/rowmeta"
	"tributary/sinks/views"
)

// A request is one operation under way.
type request struct {
	ctx            context.Context
	vars           map[string]any
	acceptLanguage string
	server         *Server

	negotiated string // the locale, once it was needed
}

func (r *request) locale() string {
	if r.negotiated == "" {
		r.negotiated = catalog.Negotiate(r.acceptLanguage, r.server.locales())
	}
	return r.negotiated
}

// execute appends the data of the plan's answer. An error at the root makes the whole data null
// where the schema says non-null, which is reported as data == false.
func (s *Server) execute(r *request, p *plan, dst []byte) (_ []byte, errs []*Error, data bool) {
	dst = append(dst, '{')
	data = true
	for i, root := range p.roots {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsontext.AppendKey(dst, root.as)
		before := len(dst)
		var err *Error
		if dst, err = s.root(r, root, dst); err == nil && len(dst) > s.limits.Answer {
			err = exceeds("the answer is too large", s.limits.Answer, "lower first, or select less")
		}
		if err != nil {
			err.Path = []string{root.as}
			errs = append(errs, err.at(root.field.pos()))
			dst = append(dst[:before], "null"...)
			data = data && root.kind == single
		}
	}
	return append(dst, '}'), errs, data
}

func (s *Server) root(r *request, root *root, dst []byte) ([]byte, *Error) {
	switch root.kind {
	case typename:
		return append(dst, `"Query"`...), nil
	case meshName:
		return jsontext.AppendString(dst, s.catalog.Mesh.Name), nil
	case schemaOf:
		return s.introspect(r, dst).schema(root.field)
	case typeOf:
		name, err := root.name(r)
		if err != nil {
			return dst, err
		}
		text, _ := name.(string)
		return s.introspect(r, dst).typeNamed(root.field, text)
	case single:
		return s.single(r, root, dst)
	}
	return s.list(r, root, dst)
}

// writer takes the snapshots of freshness, before any row is read (I4).
func (s *Server) writer(r *request, root *root) *rowmeta.Writer {
	w := &rowmeta.Writer{Opening: s.opening, Decode: s.decode, Specs: root.specs, Now: s.tracker.Now()}
	if len(root.specs) == 0 {
		return w
	}
	w.Names = r.names
	w.Snapshots = make([]*freshness.Snapshot, len(root.specs))
	for i := range root.specs {
		w.Snapshots[i] = s.tracker.Snapshot(root.specs[i].Entity.Entity.Name)
	}
	return w
}

// names reads a variable that limits the provenance shown.
func (r *request) names(variable string) rowmeta.Names {
	list, ok := r.vars[variable].([]any)
	if !ok {
		return rowmeta.Names{All: true}
	}
	return rowmeta.Names{List: texts(list)}
}

func (r *request) args(root *root) ([]any, *Error) {
	args := make([]any, len(root.args))
	for i, a := range root.args {
		v, err := a(r)
		if err != nil {
			return nil, err
		}
		args[i] = v
	}
	return args, nil
}

// single answers with one entity, or null.
func (s *Server) single(r *request, root *root, dst []byte) ([]byte, *Error) {
	args, bad := r.args(root)
	if bad != nil {
		return dst, bad
	}
	w := s.writer(r, root)
	found := 0
	err := root.stmt.Run(r.ctx, args, func(json, _ []byte) (err error) {
		if found++; found == 1 {
			dst, err = w.Append(dst, json)
		}
		return err
	})
	switch {
	case err != nil:
		return dst, s.failed(err, root)
	case found > 1 && root.unique:
		return dst, &Error{Code: CodeAmbiguous, Message: "Several " + root.entity.List + " have this value: ask for one by its " +
			root.entity.Key.Name + ", or for all of them by " + root.entity.List + "(where: …)."}
	case found == 0:
		return append(dst, "null"...), nil
	}
	return dst, nil
}

// list answers with a connection.
func (s *Server) list(r *request, root *root, dst []byte) ([]byte, *Error) {
	args, bad := r.args(root)
	if bad != nil {
		return dst, bad
	}
	conn := root.conn
	first, bad := conn.first(r)
	if bad != nil {
		return dst, bad
	}
	w := s.writer(r, root)
	snap := s.tracker.Snapshot(root.entity.Entity.Name)
	reading := s.leastOf(root, snap, w.Now)
	n, _ := first.(int64)
	p := newPage(conn, w, s.mark, n)
	var total int64
	var err error
	if conn.rows {
		err = root.stmt.Run(r.ctx, args, func(json, cursor []byte) error {
			if p.size() > s.limits.Answer {
				return errTooLarge
			}
			return p.add(json, cursor)
		})
	}
	if err == nil && conn.count {
		total, err = root.stmt.Count(r.ctx, args)
	}
	if err != nil {
		return dst, s.failed(err, root)
	}
	if w.Seen.State != 0 {
		reading = reading.Worse(w.Seen)
	}
	return p.append(dst, total, snap, reading), nil
}

// leastOf is the freshness of all that a list's statement reads: its view and those of its
// relations, over all partitions.
func (s *Server) leastOf(root *root, snap *freshness.Snapshot, now time.Time) freshness.Reading {
	reading := snap.View(freshness.All, root.conn.bounds, now)
	for _, e := range root.reads {
		reading = reading.Worse(s.tracker.Snapshot(e.Entity.Name).View(freshness.All, root.conn.bounds, now))
	}
	return reading
}

var errTooLarge = errors.New("answer too large")

// failed turns a failure of the store into what the client may know; the rest is logged.
func (s *Server) failed(err error, root *root) *Error {
	switch {
	case errors.Is(err, errTooLarge):
		return exceeds("the answer is too large", s.limits.Answer, "lower first, or select less")
	case errors.Is(err, views.ErrArgument):
		return &Error{Message: err.Error() + ".", Code: CodeInput}
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Message: "The answer took too long: ask for less, or filter by indexed fields.", Code: CodeTimeout}
	case errors.Is(err, context.Canceled):
		return &Error{Message: "The request was cancelled.", Code: CodeTimeout}
	}
	s.log.Error().Err(err).Str("entity", root.entity.Entity.Name).Msg("the view store failed a query")
	return &Error{Message: "The view store failed; the gateway's log says why. Try again later.", Code: CodeInternal}
}

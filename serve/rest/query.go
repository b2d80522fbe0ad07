package rest

import (
	"tributary/serve/catalog"
	"tributary/serve/freshness"
	"tributary/serve/paging"
	"tributary/serve/rowmeta"
	"tributary/sinks/views"
)

// A query is a request turned into a statement's query and its arguments.
type query struct {
	views.Query
	args []any
	tag  paging.Tag
}

func (q *query) arg(v any) views.Arg {
	q.args = append(q.args, v)
	return views.Arg(len(q.args))
}

// query compiles the request. Each row begins with the mark of its _meta, or ends with it where
// the client asked for provenance.
func (r *request) query(mark string) *query {
	q := &query{Query: views.Query{Entity: r.entity.Entity}}
	locale := views.NoArg
	if r.locale != "" && r.locale != "*" {
		locale = q.arg(r.locale)
	}
	meta := views.Item{As: "_meta", MetaMark: mark, MetaBlob: r.provenance}
	if !r.provenance {
		q.Select = append(q.Select, meta)
	}
	for _, f := range r.fields {
		item := views.Item{As: f.Name, Field: f.Field}
		if f.Localized {
			item.Locale = locale
		}
		q.Select = append(q.Select, item)
	}
	if r.provenance {
		q.Select = append(q.Select, meta)
	}
	var conds []*views.Cond
	for _, f := range r.filters {
		c := &views.Cond{Op: f.op.Op, Field: f.field.Field, Arg: q.arg(f.value)}
		if f.field.Localized {
			c.Locale = locale
		}
		conds = append(conds, c)
	}
	if len(conds) == 1 {
		q.Where = conds[0]
	} else if len(conds) > 1 {
		q.Where = &views.Cond{Op: views.And, Conds: conds}
	}
	return q
}

// list adds order and page.
func (q *query) list(r *request) *Problem {
	var tag []string
	for _, s := range r.sort {
		o := views.Order{Field: s.field.Field, Desc: s.desc}
		direction := "asc"
		if s.desc {
			direction = "desc"
		}
		tag = append(tag, s.field.Name, direction)
		if s.field.Localized {
			o.Locale = 1 // the locale is the first argument, and is there: checkLocale
		}
		q.Order = append(q.Order, o)
	}
	q.tag = paging.TagOf(r.entity.Entity.Name, tag...)
	if r.after != "" {
		stored, err := paging.ParseCursor(r.after, q.tag)
		if err != nil {
			return badParameter("bad-cursor", "The cursor cannot be used", "after", err.Error())
		}
		q.After = q.arg(stored)
	}
	q.First = q.arg(r.first + 1) // one more tells whether there is a next page
	return nil
}

// spec says what _meta shows.
func (r *request) spec() rowmeta.Spec {
	s := rowmeta.Spec{Entity: r.entity, Bounds: freshness.BoundsOf(catalog.MeshFields(r.fields))}
	if r.provenance {
		names := rowmeta.Names{All: true}
		if len(r.fields) < len(r.entity.Fields) {
			names = rowmeta.Names{}
			for _, f := range r.fields {
				names.List = append(names.List, f.Name)
			}
		}
		s.Members = rowmeta.RowMembers(names)
	}
	return s
}

package rest

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"tributary/serve/catalog"
	"tributary/serve/paging"
)

// A request is what the parameters of a URL ask for.
type request struct {
	entity     *catalog.Entity
	fields     []*catalog.Field
	locale     string // "" or "*": the object of all locales
	provenance bool
	filters    []filter
	sort       []sortBy
	first      int64
	after      string
}

type filter struct {
	field     *catalog.Field
	op        catalog.Operator
	parameter string
	value     any // typed as the field, []string of in, bool of isNull
}

type sortBy struct {
	field *catalog.Field
	desc  bool
}

// Limits of one request.
const (
	maxFilters = 50
	maxSort    = 8
)

var filterName = regexp.MustCompile(`^filter\[([^\[\]]*)\](?:\[([^\[\]]*)\])?$`)

// parse reads the parameters of a URL. lists says whether those of lists are allowed.
func parse(e *catalog.Entity, query url.Values, lists bool) (*request, *Problem) {
	r := &request{entity: e, fields: e.Fields, first: paging.DefaultFirst}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if p := r.parameter(name, query[name], lists); p != nil {
			return nil, p
		}
	}
	return r, r.checkLocale()
}

func (r *request) parameter(name string, values []string, lists bool) *Problem {
	if m := filterName.FindStringSubmatch(name); m != nil && lists {
		for _, v := range values {
			if p := r.filter(name, m[1], m[2], v); p != nil {
				return p
			}
		}
		return nil
	}
	value := values[len(values)-1]
	switch {
	case name == "locale":
		r.locale = value
	case name == "fields":
		return r.selectFields(value)
	case name == "include" && value == "provenance":
		r.provenance = true
	case name == "include":
		return badParameter("bad-parameter", "A parameter cannot be used", name, fmt.Sprintf("include=%s: only provenance can be included", short(value)), "provenance")
	case name == "first" && lists:
		return r.setFirst(value)
	case name == "after" && lists:
		r.after = value
	case name == "sort" && lists:
		return r.setSort(value)
	default:
		return r.unknownParameter(name, lists)
	}
	return nil
}

func (r *request) unknownParameter(name string, lists bool) *Problem {
	allowed := []string{"fields", "include", "locale"}
	if lists {
		allowed = []string{"after", "fields", "filter[FIELD]", "filter[FIELD][OPERATOR]", "first", "include", "locale", "sort"}
	}
	detail := "There is no parameter " + short(name)
	if r.entity.Field(name) != nil && lists {
		detail += ": to filter by the field write filter[" + name + "]"
		return badParameter("unknown-parameter", "Unknown parameter", short(name), detail, allowed...)
	}
	return badParameter("unknown-parameter", "Unknown parameter", short(name), detail+catalog.Suggest(name, allowed), allowed...)
}

// field finds a field, or says which there are.
func (r *request) field(parameter, name string) (*catalog.Field, *Problem) {
	if f := r.entity.Field(name); f != nil {
		return f, nil
	}
	var known []string
	for _, f := range r.entity.Fields {
		known = append(known, f.Name)
	}
	return nil, badParameter("unknown-field", "Unknown field", short(parameter),
		fmt.Sprintf("%s has no field %q%s", r.entity.Single, short(name), catalog.Suggest(name, known)), known...)
}

func (r *request) selectFields(value string) *Problem {
	r.fields = nil
	for name := range strings.SplitSeq(value, ",") {
		f, p := r.field("fields", strings.TrimSpace(name))
		if p != nil {
			return p
		}
		if !slices.Contains(r.fields, f) {
			r.fields = append(r.fields, f)
		}
	}
	return nil
}

func (r *request) setFirst(value string) *Problem {
	n, err := strconv.ParseInt(value, 10, 64)
	if err == nil {
		err = paging.CheckFirst(n)
	} else {
		err = fmt.Errorf("first is %q: give a number from 0 to %d", short(value), paging.MaxFirst)
	}
	if err != nil {
		return badParameter("bad-parameter", "A parameter cannot be used", "first", err.Error())
	}
	r.first = n
	return nil
}

func (r *request) setSort(value string) *Problem {
	for name := range strings.SplitSeq(value, ",") {
		name, desc := strings.CutPrefix(strings.TrimSpace(name), "-")
		f, p := r.field("sort", name)
		if p != nil {
			return p
		}
		if !f.Sortable() {
			return badParameter("bad-parameter", "A parameter cannot be used", "sort", f.Name+" is of a type that cannot be sorted by")
		}
		r.sort = append(r.sort, sortBy{f, desc})
	}
	if len(r.sort) > maxSort {
		return badParameter("bad-parameter", "A parameter cannot be used", "sort", fmt.Sprintf("sort by at most %d fields", maxSort))
	}
	return nil
}

func (r *request) filter(parameter, field, operator, text string) *Problem {
	f, p := r.field(parameter, field)
	if p != nil {
		return p
	}
	if operator == "" {
		operator = "eq"
	}
	for _, o := range f.Operators() {
		if o.Name != operator {
			continue
		}
		if len(r.filters) == maxFilters {
			return badParameter("bad-filter", "Bad filter", parameter, fmt.Sprintf("there are more than %d filters: use in, or ask in several requests", maxFilters))
		}
		value, err := f.Operand(o, text)
		if err != nil {
			return badParameter("bad-value", "A value cannot be used", parameter, fmt.Sprintf("%s: %s", parameter, err))
		}
		r.filters = append(r.filters, filter{f, o, parameter, value})
		return nil
	}
	names := strings.Split(f.OperatorNames(), ", ")
	return badParameter("bad-filter", "Bad filter", short(parameter),
		fmt.Sprintf("%s has no operator %q%s", f.Name, short(operator), catalog.Suggest(operator, names)), names...)
}

// checkLocale refuses filters and sorts by localized fields without a locale.
func (r *request) checkLocale() *Problem {
	if r.locale != "" && r.locale != "*" {
		return nil
	}
	for _, f := range r.filters {
		if f.field.Localized && f.op.Name != "isNull" {
			return needsLocale(f.parameter, f.field)
		}
	}
	for _, s := range r.sort {
		if s.field.Localized {
			return needsLocale("sort", s.field)
		}
	}
	return nil
}

func needsLocale(parameter string, f *catalog.Field) *Problem {
	return badParameter("bad-parameter", "A locale is needed", parameter, f.Name+" has a value for each locale: say which one with locale=, such as locale=en")
}

// short bounds what of the client's text an answer repeats.
func short(s string) string {
	if len(s) > 80 {
		s = s[:80] + "…"
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

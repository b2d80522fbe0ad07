package statements

import (
	"strconv"

	"tributary/sinks/views"
)

// appendQuery appends the form of a query: two queries of the same form have the same
// statement. The names of entities and fields hold none of the dividers.
func appendQuery(dst []byte, q *views.Query) []byte {
	dst = append(append(dst, q.Entity.Name...), '(')
	dst = appendCond(dst, q.Where)
	for _, o := range q.Order {
		dst = append(append(dst, '^'), o.Field.Name...)
		dst = appendArg(dst, '@', o.Locale)
		dst = strconv.AppendBool(dst, o.Desc)
	}
	dst = appendArg(appendArg(dst, '>', q.After), '#', q.First)
	dst = append(dst, ')', '{')
	for i := range q.Select {
		it := &q.Select[i]
		dst = append(append(dst, it.As...), ':')
		switch {
		case it.Field != nil:
			dst = appendArg(append(dst, it.Field.Name...), '@', it.Locale)
		case it.Relation != nil:
			dst = append(append(dst, it.Relation.Name...), '/')
			dst = appendQuery(dst, it.Nested)
		case it.MetaMark != "":
			dst = appendArg(dst, '_', views.Arg(it.Meta))
			dst = strconv.AppendBool(dst, it.MetaBlob)
			dst = strconv.AppendQuote(dst, it.MetaMark)
		default:
			dst = strconv.AppendQuote(dst, it.Literal)
		}
		dst = append(dst, ',')
	}
	return append(dst, '}')
}

func appendCond(dst []byte, c *views.Cond) []byte {
	if c == nil {
		return append(dst, '*')
	}
	dst = append(strconv.AppendInt(append(dst, '['), int64(c.Op), 10), ' ')
	for _, sub := range c.Conds {
		dst = appendCond(dst, sub)
	}
	if c.Field != nil {
		dst = appendArg(appendArg(append(dst, c.Field.Name...), '@', c.Locale), '=', c.Arg)
	}
	return append(dst, ']')
}

func appendArg(dst []byte, kind byte, a views.Arg) []byte {
	return strconv.AppendInt(append(dst, kind), int64(a), 10)
}

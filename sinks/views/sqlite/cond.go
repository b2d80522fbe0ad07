package sqlite

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tributary/mesh"
	"tributary/sinks/views"
)

// cond compiles a condition. A comparison with null is null in SQL, which And, Or and WHERE
// take as false; Not turns everything that is not true to true.
func (c *compiler) cond(n *node, w *views.Cond) (string, error) {
	switch w.Op {
	case views.And:
		return c.conds(n, w.Conds, " AND ", "1")
	case views.Or:
		return c.conds(n, w.Conds, " OR ", "0")
	case views.Not:
		sql, err := c.conds(n, w.Conds, " AND ", "1")
		return "(" + sql + " IS NOT TRUE)", err
	}
	col, err := n.table.column(w.Field)
	if err != nil {
		return "", err
	}
	c.uses(w.Arg)
	if w.Op == views.IsNull && (!col.localized || w.Locale == views.NoArg) {
		return "((" + col.sql + " IS NULL) = " + n.slot(w.Arg, boolArgument) + ")", nil
	}
	expr, err := c.expression(n, col, w.Locale)
	if err != nil {
		return "", err
	}
	sql, ok := n.comparison(w, col, expr)
	if !ok {
		return "", fmt.Errorf("entity %s, field %s: %s has no such comparison", n.table.entity.Name, col.field, col.name)
	}
	return sql, nil
}

func (c *compiler) conds(n *node, conds []*views.Cond, join, none string) (string, error) {
	if len(conds) == 0 {
		return none, nil
	}
	parts := make([]string, len(conds))
	for i, w := range conds {
		sql, err := c.cond(n, w)
		if err != nil {
			return "", err
		}
		parts[i] = sql
	}
	return "(" + strings.Join(parts, join) + ")", nil
}

// comparison compiles one operator on a field; ok is false where the type has none such.
func (n *node) comparison(w *views.Cond, col column, expr string) (sql string, ok bool) {
	if col.list && w.Op != views.IsNull {
		return "", false
	}
	value := func(round rounding) string { return n.slot(w.Arg, col.argument(round)) }
	switch w.Op {
	case views.Eq:
		if col.isKey {
			return expr + " = " + value(exact), true
		}
		return expr + " IS " + value(exact), true
	case views.Ne:
		v := value(exact)
		return "(" + expr + " IS NOT " + v + " AND " + v + " IS NOT NULL)", true
	case views.Gt:
		return expr + " > " + value(floor), true
	case views.Gte:
		return expr + " >= " + value(ceil), true
	case views.Lt:
		return expr + " < " + value(ceil), true
	case views.Lte:
		return expr + " <= " + value(floor), true
	case views.In:
		member := "value"
		if col.affinity == "BLOB" {
			member = "unhex(value)"
		}
		return expr + " IN (SELECT " + member + " FROM json_each(" + n.slot(w.Arg, col.listArgument) + "))", true
	case views.Contains:
		return "instr(" + expr + ", " + n.slot(w.Arg, textArgument) + ") > 0", col.text
	case views.StartsWith:
		return "(" + expr + " >= " + n.slot(w.Arg, textArgument) + " AND " + expr + " < " + n.slot(w.Arg, prefixEnd) + ")", col.text
	case views.IsNull:
		return "((" + expr + " IS NULL) = " + n.slot(w.Arg, boolArgument) + ")", true
	}
	return "", false
}

// argument reads an argument of the column's type.
func (s storage) argument(round rounding) func(any) (cell, error) {
	return func(arg any) (cell, error) {
		switch v := arg.(type) {
		case nil:
			return cell{}, nil
		case string:
			return s.parse(v, round)
		case int64:
			switch k := s.codec.(type) {
			case longCodec:
				if k.t.Kind == mesh.Int {
					return intCell(v), nil
				}
			case floatCodec, decimalCodec, bigDecimalCodec:
				return s.parse(strconv.FormatInt(v, 10), round)
			}
		case float64:
			if _, float := s.codec.(floatCodec); float {
				return floatCell(v), nil
			}
		case bool:
			if _, isBool := s.codec.(boolCodec); isBool {
				return boolCell(v), nil
			}
		}
		return cell{}, fmt.Errorf("%T is no argument for type %s", arg, s.name)
	}
}

// listArgument reads a list as a JSON array of stored values, without those nothing equals.
func (s storage) listArgument(arg any) (cell, error) {
	list, ok := arg.([]string)
	switch {
	case arg == nil || ok && list == nil:
		return cell{}, nil
	case !ok:
		return cell{}, fmt.Errorf("%T is no list of strings", arg)
	}
	out := []byte{'['}
	for _, text := range list {
		c, err := s.parse(text, exact)
		if err != nil {
			return cell{}, err
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = c.appendLiteral(out)
	}
	return textCell(append(out, ']')), nil
}

func textArgument(arg any) (cell, error) {
	switch v := arg.(type) {
	case nil:
		return cell{}, nil
	case string:
		return textCell([]byte(v)), nil
	}
	return cell{}, fmt.Errorf("%T is no string", arg)
}

func boolArgument(arg any) (cell, error) {
	switch v := arg.(type) {
	case nil:
		return cell{}, nil
	case bool:
		return boolCell(v), nil
	}
	return cell{}, fmt.Errorf("%T is neither true nor false", arg)
}

func localeArgument(arg any) (cell, error) {
	c, err := textArgument(arg)
	if err != nil || c.null() {
		return c, err
	}
	return localePath(string(c.b)), nil
}

// prefixEnd is the first text behind all that start with the prefix. Behind the empty one, and
// one of nothing but 0xFF, comes the first blob.
func prefixEnd(arg any) (cell, error) {
	c, err := textArgument(arg)
	if err != nil || c.null() {
		return c, err
	}
	end := slices.Clone(c.b)
	for len(end) > 0 && end[len(end)-1] == 0xff {
		end = end[:len(end)-1]
	}
	if len(end) == 0 {
		return blobCell(nil), nil
	}
	end[len(end)-1]++
	return textCell(end), nil
}

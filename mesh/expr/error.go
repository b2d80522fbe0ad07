package expr

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/common"
	"github.com/agnivade/levenshtein"
)

// An Error is a fault of an expression's text; line and column count from 1, in code points.
type Error struct {
	Line, Column     int
	What, Suggestion string
}

// Errors is every fault of an expression.
type Errors []Error

// Error gives one fault a line.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, f := range e {
		lines[i] = fmt.Sprintf("%d:%d: %s", f.Line, f.Column, f.What)
		if f.Suggestion != "" {
			lines[i] += ": " + f.Suggestion
		}
	}
	return strings.Join(lines, "\n")
}

var (
	unknownName = regexp.MustCompile(`^undeclared reference to '([^']*)'.*`)
	noOverload  = regexp.MustCompile(`^found no matching overload for '([^']*)' applied to '(.*)'$`)
	notTyped    = regexp.MustCompile(`^expected type '(.*)' but found '(.*)'$`)
	wrapped     = regexp.MustCompile(`wrapper\((\w+)\)`)
	operator    = regexp.MustCompile(`^[_@]?_?(\W+?|in)_?$`)
)

// translate makes Errors of CEL's messages, in words of the manifest.
func translate(errs []*common.Error, s scope) Errors {
	var out Errors
	for _, e := range errs {
		f := Error{Line: max(e.Location.Line(), 1), Column: max(e.Location.Column()+1, 1)}
		f.What, f.Suggestion = explain(e.Message, s)
		if !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	return out
}

func explain(msg string, s scope) (what, suggestion string) {
	msg = wrapped.ReplaceAllString(strings.TrimPrefix(msg, "Syntax error: "), "$1")
	if i := strings.Index(msg, " expecting "); i >= 0 {
		msg = msg[:i]
	}
	if strings.Contains(msg, "<EOF>") {
		return "the expression ends too early", "close what is open, or complete it"
	}
	if strings.Contains(msg, "'='") || strings.Contains(msg, "'= '") {
		return "= is no operator of CEL", "compare with =="
	}
	if m := unknownName.FindStringSubmatch(msg); m != nil {
		return fmt.Sprintf("unknown name %q", m[1]), s.suggestName(m[1])
	}
	if m := noOverload.FindStringSubmatch(msg); m != nil {
		return explainOverload(m[1], m[2])
	}
	if m := notTyped.FindStringSubmatch(msg); m != nil {
		return fmt.Sprintf("expected %s, found %s", m[1], m[2]), ""
	}
	return msg, ""
}

// explainOverload says which operator or function does not take which types.
func explainOverload(function, args string) (what, suggestion string) {
	name := function
	if m := operator.FindStringSubmatch(function); m != nil && !strings.HasPrefix(function, "_?") {
		name = m[1]
	}
	switch {
	case strings.HasPrefix(function, "_?"):
		name = "?:"
	case function == "_[_]":
		name = "[]"
	}
	what = fmt.Sprintf("%s does not take %s", name, args)
	switch {
	case strings.Contains(args, "double") && strings.Contains(args, "int"):
		return what, "convert the int with double()"
	case strings.Contains(args, "null"):
		return what, "null is compared with a column; use has() for a list"
	case strings.Contains(args, "timestamp") && strings.Contains(args, "string"):
		return what, `convert with timestamp("2026-01-31T00:00:00Z")`
	}
	return what, "convert with string(), int() or double()"
}

// functionNames lists what an expression may call, for suggestions.
func functionNames() []string {
	return []string{"string", "int", "double", "bool", "bytes", "timestamp", "duration", "size", "has", "coalesce", "matches",
		"contains", "startsWith", "endsWith", "lowerAscii", "upperAscii", "trim", "replace", "split", "substring", "join", "indexOf",
		"lastIndexOf", "charAt", "format", "reverse"}
}

// Ref is how an expression names a column: row.x, or row["Odd x"].
func Ref(column string) string {
	if plainName.MatchString(column) && !slices.Contains([]string{"in", "true", "false", "null"}, column) {
		return "row." + column
	}
	return fmt.Sprintf("row[%q]", column)
}

var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// longest bounds the names that Nearest takes apart, as its work grows with their squares.
const longest = 120

// Nearest gives the candidate that name was most likely meant to be, or "".
func Nearest(name string, candidates []string) string {
	if len(name) > longest {
		return ""
	}
	best, limit := "", max(1, min(len(name)/2, 4))+1
	for _, c := range candidates {
		if strings.EqualFold(c, name) {
			return c
		}
		if d := levenshtein.ComputeDistance(strings.ToLower(name), strings.ToLower(c)); d < limit {
			best, limit = c, d
		}
	}
	return best
}

// suggestName says what an unknown variable or function may have been meant to be.
func (s scope) suggestName(name string) string {
	variable := rowName
	if s.value {
		variable = valueName
	} else if _, ok := s.index[name]; ok {
		return "write " + Ref(name)
	}
	if best := Nearest(name, append(functionNames(), variable)); best != "" {
		return fmt.Sprintf("did you mean %s?", best)
	}
	return "the expression may speak of " + variable
}

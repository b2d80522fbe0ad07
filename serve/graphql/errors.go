package graphql

import (
	"strconv"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"tributary/serve/jsontext"
)

// The values of extensions.code in errors.
const (
	CodeParse     = "GRAPHQL_PARSE_FAILED"
	CodeInvalid   = "GRAPHQL_VALIDATION_FAILED"
	CodeRequest   = "BAD_REQUEST"    // the request is no GraphQL request
	CodeInput     = "BAD_USER_INPUT" // a variable or argument cannot be used
	CodeLimit     = "LIMIT_EXCEEDED"
	CodeAmbiguous = "AMBIGUOUS" // several entities have the value of a unique field
	CodeTimeout   = "TIMEOUT"
	CodeInternal  = "INTERNAL" // the view store failed; the log says why
)

// An Error is one entry of an answer's errors.
type Error struct {
	Message   string
	Code      string
	Locations []gqlerror.Location
	Path      []string // names of the response
}

func (e *Error) Error() string { return e.Message }

// at adds the place in the document, if it is known.
func (e *Error) at(pos *ast.Position) *Error {
	if pos != nil && len(e.Locations) == 0 {
		e.Locations = []gqlerror.Location{{Line: pos.Line, Column: pos.Column}}
	}
	return e
}

func inputError(message string, pos *ast.Position) *Error {
	return (&Error{Message: message, Code: CodeInput}).at(pos)
}

func appendErrors(dst []byte, errs []*Error) []byte {
	dst = append(dst, `"errors":[`...)
	for i, e := range errs {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsontext.AppendString(append(dst, `{"message":`...), e.Message)
		if len(e.Locations) > 0 {
			dst = append(dst, `,"locations":[`...)
			for j, l := range e.Locations {
				if j > 0 {
					dst = append(dst, ',')
				}
				dst = strconv.AppendInt(append(dst, `{"line":`...), int64(l.Line), 10)
				dst = append(strconv.AppendInt(append(dst, `,"column":`...), int64(l.Column), 10), '}')
			}
			dst = append(dst, ']')
		}
		if len(e.Path) > 0 {
			dst = append(dst, `,"path":[`...)
			for j, p := range e.Path {
				if j > 0 {
					dst = append(dst, ',')
				}
				dst = jsontext.AppendString(dst, p)
			}
			dst = append(dst, ']')
		}
		dst = jsontext.AppendString(append(dst, `,"extensions":{"code":`...), e.Code)
		dst = append(dst, "}}"...)
	}
	return append(dst, ']')
}

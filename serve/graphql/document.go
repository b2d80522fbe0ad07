package graphql

import (
	"strconv"
	"sync"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
)

// A document is parsed and validated once. It keeps the plans of its operations.
type document struct {
	ast *ast.QueryDocument

	mu    sync.RWMutex // guards plans
	plans map[string]*plan
}

// maxPlans bounds the plans of one document: more shapes of variables start anew.
const maxPlans = 64

// document gives the parsed and validated document, from the cache where it is known.
func (s *Server) document(query string) (*document, []*Error) {
	if doc, ok := s.documents.Get(query); ok {
		s.metrics.hit()
		return doc, nil
	}
	s.metrics.miss()
	parsed, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: query}, s.limits.Tokens)
	if err != nil {
		return nil, []*Error{fromParser(err, CodeParse)}
	}
	if err := checkRepeats(parsed); err != nil {
		return nil, []*Error{err}
	}
	if faults := validator.ValidateWithSources(s.schema, parsed, s.rules...); len(faults) > 0 {
		errs := make([]*Error, 0, len(faults))
		for _, f := range faults {
			e := &Error{Message: f.Message, Code: CodeInvalid}
			for _, l := range f.Locations {
				e.Locations = append(e.Locations, gqlerror.Location{Line: l.Line, Column: l.Column})
			}
			errs = append(errs, e)
			if len(errs) == maxErrors {
				break
			}
		}
		return nil, errs
	}
	doc := &document{ast: parsed, plans: map[string]*plan{}}
	s.documents.Add(query, doc)
	return doc, nil
}

// maxErrors bounds how many faults of a document are told.
const maxErrors = 20

func fromParser(err error, code string) *Error {
	e := &Error{Message: err.Error(), Code: code}
	if parsed, ok := err.(*gqlerror.Error); ok {
		e.Message, e.Locations = parsed.Message, parsed.Locations
	}
	return e
}

// operation picks the operation of that name; of a document with one, "" names it.
func (d *document) operation(name string) (*ast.OperationDefinition, *Error) {
	if op := d.ast.Operations.ForName(name); op != nil {
		return op, nil
	}
	if name == "" {
		return nil, &Error{Message: "The document has several operations: say by operationName which one to run.", Code: CodeRequest}
	}
	return nil, &Error{Message: "The document has no operation named " + strconv.Quote(name) + ".", Code: CodeRequest}
}

// plan gives the operation compiled for the shape of the variables.
func (s *Server) plan(d *document, op *ast.OperationDefinition, vars map[string]any) (*plan, *Error) {
	var buf [64]byte
	key := append(append(buf[:0], op.Name...), 0)
	for _, def := range op.VariableDefinitions {
		value, given := vars[def.Variable]
		if !given {
			key = append(key, '-')
			continue
		}
		key = s.appendShape(key, def.Type, value)
	}
	d.mu.RLock()
	p := d.plans[string(key)]
	d.mu.RUnlock()
	if p != nil {
		return p, nil
	}
	p, err := s.compile(op, vars)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.plans) >= maxPlans {
		clear(d.plans)
	}
	d.plans[string(key)] = p
	return p, nil
}

// appendShape appends what of a variable's value is compiled into a plan: which members it has,
// booleans (of @skip and @include), Ints (of first) and the enums of orderBy. The rest are
// arguments.
func (s *Server) appendShape(key []byte, t *ast.Type, value any) []byte {
	if value == nil {
		return append(key, 'n')
	}
	if t.Elem != nil {
		if def := s.schema.Types[t.Name()]; def.Kind != ast.InputObject {
			return append(key, 'v')
		}
		key = append(key, '[')
		list, _ := value.([]any)
		for _, item := range list {
			key = s.appendShape(key, t.Elem, item)
		}
		return append(key, ']')
	}
	def := s.schema.Types[t.NamedType]
	switch {
	case def.Kind == ast.InputObject:
		return s.appendObjectShape(key, def, value)
	case def.Kind == ast.Enum && orderEnum(def.Name):
		name, _ := value.(string)
		return append(append(key, name...), ';')
	case def.Name == "Boolean":
		b, _ := value.(bool)
		return strconv.AppendBool(key, b)
	case def.Name == "Int":
		n, _ := value.(int64)
		return append(strconv.AppendInt(key, n, 10), ';')
	}
	return append(key, 'v')
}

func (s *Server) appendObjectShape(key []byte, def *ast.Definition, value any) []byte {
	object, _ := value.(map[string]any)
	key = append(key, '{')
	for i, f := range def.Fields {
		if v, ok := object[f.Name]; ok {
			key = append(strconv.AppendInt(key, int64(i), 10), ':')
			key = s.appendShape(key, f.Type, v)
		}
	}
	return append(key, '}')
}

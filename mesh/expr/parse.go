package expr

import (
	"fmt"
	"strings"

	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/parser"
)

// The bounds of an expression, so that neither compiling nor evaluating it can run away.
const (
	maxSize  = 16 << 10 // code points of text
	maxDepth = 60       // nested calls
	maxNodes = 4 << 10
)

// rowName and valueName are the variables: of expressions over rows, and of a field's validate.
const (
	rowName   = "row"
	valueName = "value"
)

// Parse checks the syntax of an expression and says which form it has. Its error is Errors.
func Parse(src string) (Form, error) {
	tree, err := parse(src)
	if err != nil {
		return FormOther, err
	}
	switch e := tree.Expr(); e.Kind() {
	case ast.LiteralKind:
		return FormLiteral, nil
	case ast.MapKind:
		return FormMap, nil
	default:
		if _, ok := columnName(e); ok {
			return FormColumn, nil
		}
		return FormOther, nil
	}
}

// parse gives the tree of an expression; its error is Errors.
func parse(src string) (*ast.AST, error) {
	p, err := parser.NewParser(parser.Macros(parser.AllMacros...), parser.MaxRecursionDepth(maxDepth),
		parser.ExpressionSizeCodePointLimit(maxSize), parser.MaxExpressionNodeCount(maxNodes))
	if err != nil {
		return nil, fmt.Errorf("set up the expression parser: %w", err)
	}
	source, err := common.NewTextSourceWithLimit(src, maxSize)
	if err != nil {
		return nil, Errors{{Line: 1, Column: 1, What: fmt.Sprintf("the expression is longer than %d characters", maxSize)}}
	}
	tree, errs := p.Parse(source)
	if list := errs.GetErrors(); len(list) > 0 {
		return nil, translate(list, scope{})
	}
	return tree, nil
}

// columnName gives the column that e plainly refers to.
func columnName(e ast.Expr) (string, bool) {
	switch e.Kind() {
	case ast.SelectKind:
		s := e.AsSelect()
		return s.FieldName(), !s.IsTestOnly() && isRow(s.Operand())
	case ast.CallKind:
		c := e.AsCall()
		if c.FunctionName() != operators.Index || len(c.Args()) != 2 || !isRow(c.Args()[0]) {
			return "", false
		}
		return stringLiteral(c.Args()[1])
	}
	return "", false
}

func isRow(e ast.Expr) bool { return e.Kind() == ast.IdentKind && e.AsIdent() == rowName }

func stringLiteral(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	s, ok := e.AsLiteral().(types.String)
	return string(s), ok
}

// A scope is what an expression may speak of: a row's columns, or a field's value.
type scope struct {
	columns []Column
	index   map[string]int
	value   bool // the one column is the variable value
}

func rowScope(columns []Column) scope {
	s := scope{columns: columns, index: make(map[string]int, len(columns))}
	for i, c := range columns {
		s.index[c.Name] = i
	}
	return s
}

// A resolution is what a tree says of the columns: those it refers to, whether it loops over a
// list, and where it misuses row.
type resolution struct {
	scope
	tree  *ast.AST
	inUse []bool
	loops bool
	errs  Errors
	sound map[int64]bool // the uses of row that name a column
}

// resolve makes row["x"] the same as row.x in the tree, and finds out what it says of columns.
func (s scope) resolve(tree *ast.AST) *resolution {
	r := &resolution{scope: s, tree: tree, inUse: make([]bool, len(s.columns)), sound: map[int64]bool{}}
	ast.PostOrderVisit(tree.Expr(), ast.NewExprVisitor(r.visit))
	ast.PostOrderVisit(tree.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if !s.value && isRow(e) && !r.sound[e.ID()] {
			r.fail(e, "row alone is no value", `name a column: row.x or row["x"]`)
		}
	}))
	return r
}

// used gives the columns that the tree refers to, in ascending order.
func (r *resolution) used() (columns []int) {
	for i, u := range r.inUse {
		if u || r.value {
			columns = append(columns, i)
		}
	}
	return columns
}

func (r *resolution) fail(e ast.Expr, what, suggestion string) {
	at := r.tree.SourceInfo().GetStartLocation(e.ID())
	r.errs = append(r.errs, Error{max(at.Line(), 1), max(at.Column()+1, 1), what, suggestion})
}

func (r *resolution) visit(e ast.Expr) {
	if e.Kind() == ast.ComprehensionKind {
		r.loops = true
		c := e.AsComprehension()
		for _, v := range []string{c.IterVar(), c.IterVar2()} {
			if v == rowName || v == valueName {
				r.fail(e, v+" cannot be the name of a macro's variable", "give it another name")
			}
		}
		return
	}
	operand, name, ok := r.reference(e)
	if !ok {
		return
	}
	r.sound[operand.ID()] = true
	i, known := r.index[name]
	if !known {
		r.fail(operand, fmt.Sprintf("the row has no column %q", name), r.suggest(name))
		return
	}
	r.inUse[i] = true
	if e.Kind() == ast.CallKind {
		e.SetKindCase(ast.NewExprFactory().NewSelect(e.ID(), operand, name))
	}
}

// reference gives the row and the column's name where e refers to a column, has() included.
func (s scope) reference(e ast.Expr) (operand ast.Expr, name string, ok bool) {
	if s.value {
		return nil, "", false
	}
	switch name, plain := columnName(e); {
	case plain && e.Kind() == ast.SelectKind, e.Kind() == ast.SelectKind && isRow(e.AsSelect().Operand()):
		return e.AsSelect().Operand(), e.AsSelect().FieldName(), true
	case plain:
		return e.AsCall().Args()[0], name, true
	}
	return nil, "", false
}

func (s scope) suggest(name string) string {
	names := make([]string, len(s.columns))
	for i, c := range s.columns {
		names[i] = c.Name
	}
	if best := Nearest(name, names); best != "" {
		return fmt.Sprintf("did you mean %s?", Ref(best))
	}
	const most = 20
	if len(names) > most {
		names = append(names[:most:most], "…")
	}
	return "it has " + strings.Join(names, ", ")
}

package expr

import (
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// widen writes whole numbers beside doubles as doubles, so that row.price * 2 and value == 0 mean
// what they say: CEL itself has no arithmetic between int and double.
func (s scope) widen(tree *ast.AST) {
	factory := ast.NewExprFactory()
	ast.PostOrderVisit(tree.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind || !s.isDouble(e) && !s.comparesDouble(e) {
			return
		}
		for _, arg := range e.AsCall().Args() {
			if arg.Kind() != ast.LiteralKind {
				continue
			}
			if n, ok := arg.AsLiteral().(types.Int); ok {
				arg.SetKindCase(factory.NewLiteral(arg.ID(), types.Double(n)))
			}
		}
	}))
}

// comparesDouble says whether e holds something against a double.
func (s scope) comparesDouble(e ast.Expr) bool {
	switch e.AsCall().FunctionName() {
	case operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		return s.anyDouble(e.AsCall().Args())
	}
	return false
}

// isDouble says whether e is plainly a double, before types are known.
func (s scope) isDouble(e ast.Expr) bool {
	switch e.Kind() {
	case ast.LiteralKind:
		_, ok := e.AsLiteral().(types.Double)
		return ok
	case ast.IdentKind:
		return s.value && e.AsIdent() == valueName && celType(s.columns[0].Type).Kind() == types.DoubleKind
	case ast.SelectKind:
		i, ok := s.column(e)
		return ok && celType(s.columns[i].Type).Kind() == types.DoubleKind
	case ast.CallKind:
		c := e.AsCall()
		switch c.FunctionName() {
		case "double":
			return true
		case operators.Add, operators.Subtract, operators.Multiply, operators.Divide, operators.Negate, "coalesce":
			return s.anyDouble(c.Args())
		case operators.Conditional:
			return s.anyDouble(c.Args()[1:])
		}
	}
	return false
}

func (s scope) anyDouble(args []ast.Expr) bool {
	for _, a := range args {
		if s.isDouble(a) {
			return true
		}
	}
	return false
}

package expr

import (
	"fmt"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// maxCost bounds the evaluation of an expression that loops, in CEL's units of cost: about one
// for each step.
const maxCost = 1_000_000

// A Program is a compiled expression. It may be used by several goroutines at once.
type Program struct {
	want    Want
	columns []Column
	used    []int
	result  ColumnType
	form    form
	prg     cel.Program // of formCEL
	env     *rowTypes
}

// A form says how a program evaluates; column, key and text serve those that need no CEL.
type form struct {
	kind    formKind
	column  int    // formColumn, formEquals; the value's column of formPair
	key     int    // formPair: the locale's column
	text    string // formEquals
	negated bool   // formEquals: !=
}

type formKind uint8

const (
	formCEL formKind = iota
	formColumn
	formPair
	formEquals
)

// Compile checks an expression against the columns of a row and what is wanted of it, and makes
// it ready to evaluate. What is wrong with it comes as Errors.
func Compile(src string, columns []Column, want Want) (*Program, error) {
	return compile(src, rowScope(columns), want)
}

// CompileValidate compiles a condition over value, which has the type given. Its Eval takes one
// value, which must not be nil: a field without a value has nothing to validate.
func CompileValidate(src string, value ColumnType) (*Program, error) {
	return compile(src, scope{columns: []Column{{valueName, value}}, value: true}, Cond)
}

func compile(src string, s scope, want Want) (*Program, error) {
	tree, err := parse(src)
	if err != nil {
		return nil, err
	}
	p := &Program{want: want, columns: s.columns}
	p.form = s.plainForm(tree.Expr(), want)
	found := s.resolve(tree)
	if len(found.errs) > 0 {
		return nil, found.errs
	}
	p.used = found.used()
	switch p.form.kind {
	case formColumn:
		p.result = s.columns[p.form.column].Type
		return p, p.checkColumn(tree)
	case formEquals:
		p.result = Bool
		return p, nil
	case formPair:
		p.result = s.columns[p.form.column].Type
		return p, nil
	}
	return p, p.compileCEL(src, s, found.loops)
}

// plainForm recognises the forms that evaluate without CEL.
func (s scope) plainForm(e ast.Expr, want Want) form {
	if s.value {
		return form{}
	}
	switch want {
	case LocalizedValue:
		if e.Kind() != ast.MapKind || e.AsMap().Size() != 1 {
			return form{}
		}
		entry := e.AsMap().Entries()[0].AsMapEntry()
		key, keyOK := s.column(entry.Key())
		value, valueOK := s.column(entry.Value())
		if keyOK && valueOK && !entry.IsOptional() && s.columns[key].Type == Text {
			return form{kind: formPair, key: key, column: value}
		}
		return form{}
	case Cond:
		if f, ok := s.equals(e); ok {
			return f
		}
	}
	if i, ok := s.column(e); ok {
		return form{kind: formColumn, column: i}
	}
	return form{}
}

// column gives the index of the known column that e refers to.
func (s scope) column(e ast.Expr) (int, bool) {
	name, ok := columnName(e)
	if !ok {
		return 0, false
	}
	i, ok := s.index[name]
	return i, ok
}

// equals recognises row.x == "text" and row.x != "text", either way round.
func (s scope) equals(e ast.Expr) (form, bool) {
	if e.Kind() != ast.CallKind {
		return form{}, false
	}
	c := e.AsCall()
	op, args := c.FunctionName(), c.Args()
	if op != operators.Equals && op != operators.NotEquals || len(args) != 2 {
		return form{}, false
	}
	for _, side := range [][2]ast.Expr{{args[0], args[1]}, {args[1], args[0]}} {
		i, isColumn := s.column(side[0])
		text, isText := stringLiteral(side[1])
		if isColumn && isText && s.columns[i].Type == Text {
			return form{kind: formEquals, column: i, text: text, negated: op == operators.NotEquals}, true
		}
	}
	return form{}, false
}

// checkColumn holds the type of a plain column against what is wanted.
func (p *Program) checkColumn(tree *ast.AST) error {
	c := p.columns[p.form.column]
	what, suggestion := misfit(p.want, c.Type, true, Ref(c.Name))
	if what == "" {
		return nil
	}
	at := tree.SourceInfo().GetStartLocation(tree.Expr().ID())
	return Errors{{max(at.Line(), 1), 1, what, suggestion}}
}

// compileCEL type-checks and plans an expression that needs CEL.
func (p *Program) compileCEL(src string, s scope, loops bool) error {
	env, types, err := newEnv(s)
	if err != nil {
		return fmt.Errorf("set up CEL: %w", err)
	}
	parsed, issues := env.Parse(src)
	if issues.Err() != nil {
		return translate(issues.Errors(), s)
	}
	s.resolve(parsed.NativeRep())
	s.widen(parsed.NativeRep())
	checked, issues := env.Check(parsed)
	if issues.Err() != nil {
		return translate(issues.Errors(), s)
	}
	if err := p.checkResult(checked.OutputType()); err != nil {
		return err
	}
	opts := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if loops {
		opts = append(opts, cel.CostLimit(maxCost))
	}
	if p.prg, err = env.Program(checked, opts...); err != nil {
		return Errors{{Line: 1, Column: 1, What: err.Error()}}
	}
	p.env = types
	return nil
}

// checkResult holds the type of an expression's result against what is wanted.
func (p *Program) checkResult(t *cel.Type) error {
	if p.want == LocalizedValue {
		if t.Kind() == types.DynKind {
			return nil
		}
		if t.Kind() != types.MapKind {
			return Errors{{Line: 1, Column: 1, What: "a localized field takes a map of locale to value, found " + typeName(t), Suggestion: `write {row.locale: row.title} or {"en": row.title}`}}
		}
		if k := unwrap(t.Parameters()[0]).Kind(); k != types.StringKind && k != types.DynKind {
			return Errors{{Line: 1, Column: 1, What: "a locale must be text, found " + typeName(t.Parameters()[0])}}
		}
		t = t.Parameters()[1]
	}
	result, ok := columnType(t)
	if !ok {
		return Errors{{Line: 1, Column: 1, What: "the expression gives " + typeName(t) + ", which no field holds", Suggestion: "convert it with string(), or give a plain value"}}
	}
	p.result = result
	if what, suggestion := misfit(p.want, result, false, "…"); what != "" {
		return Errors{{Line: 1, Column: 1, What: what, Suggestion: suggestion}}
	}
	return nil
}

// misfit says why a type does not serve what is wanted; "" when it does. A type of 0 is known
// only when the expression is evaluated.
func misfit(want Want, t ColumnType, plain bool, subject string) (what, suggestion string) {
	switch want {
	case Key:
		if t == Text || t == Int || t == Numeric && plain || t == 0 {
			return "", ""
		}
		return "a key must be text or int, found " + t.String(), "convert with string(…) or int(…)"
	case Cond:
		if t == Bool || t == 0 {
			return "", ""
		}
		return "a condition must give true or false, found " + t.String(), "compare it, as in " + subject + " == …"
	case At:
		if t == Time || t == 0 {
			return "", ""
		}
		return "a time is needed, found " + t.String(), "convert with timestamp(" + subject + ")"
	}
	return "", ""
}

// Column gives the index of the column that the program plainly refers to.
func (p *Program) Column() (index int, ok bool) {
	return p.form.column, p.form.kind == formColumn
}

// ColumnPair gives the columns of a localized value {row.key: row.value}.
func (p *Program) ColumnPair() (key, value int, ok bool) {
	return p.form.key, p.form.column, p.form.kind == formPair
}

// EqualsConst gives the parts of row.column == "text", or of != where negated is true. A null
// column equals no text.
func (p *Program) EqualsConst() (column int, text string, negated, ok bool) {
	return p.form.column, p.form.text, p.form.negated, p.form.kind == formEquals
}

// Columns gives the indices of the columns that the program refers to, in ascending order.
func (p *Program) Columns() []int { return p.used }

// Result gives the type of the program's result, of a LocalizedValue that of each locale's value;
// 0 where it is known only when a row is evaluated.
func (p *Program) Result() ColumnType { return p.result }

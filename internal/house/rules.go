package house

import (
	"bytes"
	"go/ast"
	"go/format"
	"go/token"
	"slices"
	"strings"
)

// Limits of length. The aims are lower: 150 lines a file, 40 a function.
const (
	maxFileLines     = 400
	maxFunctionLines = 60
)

// Formatted wants gofmt's form.
func Formatted(f *File) []string {
	want, err := format.Source(f.Text)
	if err == nil && bytes.Equal(want, f.Text) {
		return nil
	}
	return []string{f.fault(f.Syntax.Package, "is not formatted; run gofmt -w %s", f.Path)}
}

// Length bounds files and functions.
func Length(f *File) []string {
	if f.Generated() {
		return nil
	}
	var faults []string
	if n := bytes.Count(f.Text, []byte("\n")); n > maxFileLines {
		faults = append(faults, f.fault(f.Syntax.Package, "has %d lines, more than %d; split it by what its parts do", n, maxFileLines))
	}
	if f.Test() {
		return faults
	}
	for _, decl := range f.Syntax.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}
		n := f.set.Position(fn.Body.Rbrace).Line - f.set.Position(fn.Body.Lbrace).Line - 1
		if n > maxFunctionLines {
			faults = append(faults, f.fault(fn.Pos(), "%s has %d lines, more than %d; name its steps", fn.Name.Name, n, maxFunctionLines))
		}
	}
	return faults
}

// NoInit forbids func init and package-level variables that start empty: both are state that
// a reader of the call does not see.
func NoInit(f *File) []string {
	var faults []string
	for _, decl := range f.Syntax.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if decl.Recv == nil && decl.Name.Name == "init" {
				faults = append(faults, f.fault(decl.Pos(), "func init; make it a function and call it where it is needed"))
			}
		case *ast.GenDecl:
			if decl.Tok == token.VAR && !f.Test() {
				faults = append(faults, f.emptyVars(decl)...)
			}
		}
	}
	return faults
}

func (f *File) emptyVars(decl *ast.GenDecl) []string {
	var faults []string
	for _, spec := range decl.Specs {
		value := spec.(*ast.ValueSpec)
		embedded := comment(decl.Doc, "//go:embed") || comment(value.Doc, "//go:embed")
		if len(value.Values) == 0 && !embedded {
			faults = append(faults, f.fault(value.Pos(), "package-level state %s; move it into the struct that uses it", value.Names[0].Name))
		}
	}
	return faults
}

func comment(group *ast.CommentGroup, prefix string) bool {
	return group != nil && slices.ContainsFunc(group.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, prefix) })
}

// Calls forbids fmt.Print outside cmd, and sleeping, skipping and -short in tests.
func Calls(f *File) []string {
	var faults []string
	ast.Inspect(f.Syntax, func(node ast.Node) bool {
		call, ok := node.(*ast.CallExpr)
		if !ok {
			return true
		}
		selector, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		on, _ := selector.X.(*ast.Ident)
		if mend := f.forbidden(on, selector.Sel.Name); mend != "" {
			faults = append(faults, f.fault(call.Pos(), "%s", mend))
		}
		return true
	})
	return faults
}

// forbidden gives the fault and mend of a call of on.name, or "".
func (f *File) forbidden(on *ast.Ident, name string) string {
	receiver := ""
	if on != nil {
		receiver = on.Name
	}
	switch {
	case receiver == "fmt" && strings.HasPrefix(name, "Print") && f.folder() != "cmd" && !f.Test():
		return "fmt." + name + " outside cmd; log it, return it, or write to an io.Writer that the caller gives"
	case !f.Test():
		return ""
	case receiver == "time" && name == "Sleep":
		return "time.Sleep in a test; wait for a signal, or poll with a deadline"
	case slices.Contains([]string{"t", "tb", "b", "f"}, receiver) && strings.HasPrefix(name, "Skip"):
		return "a skipped test; let it fail with a sentence that names what is missing and the mend"
	case receiver == "testing" && name == "Short":
		return "testing.Short; tests that take long stand in files with the build tag full"
	}
	return ""
}

// Names forbids package names that say nothing of the flow.
func Names(f *File) []string {
	empty := []string{"manager", "helper", "helpers", "util", "utils", "common", "data", "info", "misc", "base"}
	if name := f.Syntax.Name.Name; slices.Contains(empty, name) {
		return []string{f.fault(f.Syntax.Package, "package %s says nothing; name it after what goes in and out", name)}
	}
	return nil
}

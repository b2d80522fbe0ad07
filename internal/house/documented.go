package house

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strings"
)

// Documented wants a comment on each exported name.
func Documented(f *File) []string {
	if f.Test() || f.Generated() {
		return nil
	}
	var faults []string
	for _, decl := range f.Syntax.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if decl.Doc == nil && f.needsComment(decl) {
				faults = append(faults, f.undocumented(decl.Name))
			}
		case *ast.GenDecl:
			faults = append(faults, f.undocumentedIn(decl)...)
		}
	}
	return faults
}

func (f *File) undocumented(name *ast.Ident) string {
	return f.fault(name.Pos(), "%s is exported without a comment; say its shape, units and errors", name.Name)
}

// needsComment is false for unexported functions, for methods of unexported types, and for those
// that a well-known interface of the standard library explains.
func (f *File) needsComment(fn *ast.FuncDecl) bool {
	if !fn.Name.IsExported() {
		return false
	}
	if fn.Recv == nil {
		return true
	}
	known := []string{"Error", "String", "Unwrap", "Is", "As", "Len", "Less", "Swap", "Push", "Pop", "Read", "Write", "Close",
		"MarshalJSON", "UnmarshalJSON", "MarshalText", "UnmarshalText", "ServeHTTP", "Format", "RoundTrip"}
	return ast.IsExported(receiver(fn.Recv.List[0].Type)) && !slices.Contains(known, fn.Name.Name)
}

func receiver(expr ast.Expr) string {
	switch expr := expr.(type) {
	case *ast.StarExpr:
		return receiver(expr.X)
	case *ast.IndexExpr:
		return receiver(expr.X)
	case *ast.IndexListExpr:
		return receiver(expr.X)
	case *ast.Ident:
		return expr.Name
	}
	return ""
}

// undocumentedIn looks at types, constants and variables; a group's comment counts for its
// constants and variables, as a comment behind the name does.
func (f *File) undocumentedIn(decl *ast.GenDecl) []string {
	var faults []string
	for _, spec := range decl.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if spec.Name.IsExported() && spec.Doc == nil && (decl.Doc == nil || decl.Lparen.IsValid()) {
				faults = append(faults, f.undocumented(spec.Name))
			}
		case *ast.ValueSpec:
			if decl.Doc != nil || spec.Doc != nil || spec.Comment != nil || decl.Tok == token.IMPORT {
				continue
			}
			for _, name := range spec.Names {
				if name.IsExported() {
					faults = append(faults, f.undocumented(name))
				}
			}
		}
	}
	return faults
}

var (
	cited    = regexp.MustCompile(`\bI[0-9]+\b`)
	declared = regexp.MustCompile(`(?m)^- \*\*(I[0-9]+) `)
	unfinish = regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b`)
)

// Comments makes the rule that a comment cites only invariants that the architecture (its text)
// has, and that nothing is left for later.
func Comments(architecture string) func(*File) []string {
	var invariants []string
	for _, found := range declared.FindAllStringSubmatch(architecture, -1) {
		invariants = append(invariants, found[1])
	}
	return func(f *File) []string {
		var faults []string
		for _, group := range f.Syntax.Comments {
			for _, c := range group.List {
				for _, name := range cited.FindAllString(c.Text, -1) {
					if !slices.Contains(invariants, name) {
						faults = append(faults, f.fault(c.Pos(), "%s is no invariant of docs/architecture.md, section 5; cite one of %s", name, strings.Join(invariants, " ")))
					}
				}
				if mark := unfinish.FindString(c.Text); mark != "" {
					faults = append(faults, f.fault(c.Pos(), "%s; do it now, or file it", mark))
				}
			}
		}
		return faults
	}
}

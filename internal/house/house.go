// Package house holds the project's house rules as code; its test runs them over every Go file.
// In go files, out come faults that name the place, the rule and the mend.
package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A File is a parsed Go file of the project.
type File struct {
	Path   string // from the project's folder, with slashes
	Text   []byte
	Syntax *ast.File
	set    *token.FileSet
}

// Parse reads a file's text.
func Parse(path string, text []byte) (*File, error) {
	set := token.NewFileSet()
	syntax, err := parser.ParseFile(set, path, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	return &File{Path: path, Text: text, Syntax: syntax, set: set}, nil
}

// Test says whether the file belongs to tests alone.
func (f *File) Test() bool {
	return strings.HasSuffix(f.Path, "_test.go") || strings.HasSuffix(f.Syntax.Name.Name, "test")
}

// Generated says whether a program wrote the file.
func (f *File) Generated() bool { return ast.IsGenerated(f.Syntax) }

// folder is the first element of the path; of a file at the root "".
func (f *File) folder() string {
	first, _, nested := strings.Cut(f.Path, "/")
	if !nested {
		return ""
	}
	return first
}

// fault says what is wrong at a place of the file, and the mend.
func (f *File) fault(at token.Pos, format string, args ...any) string {
	return fmt.Sprintf("%s:%d: %s", f.Path, f.set.Position(at).Line, fmt.Sprintf(format, args...))
}

// Files parses all Go files below root, without hidden folders, test data and fetched packages.
func Files(root string) ([]*File, error) {
	var files []*File
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			name := entry.Name()
			if path != root && (strings.HasPrefix(name, ".") || slices.Contains([]string{"testdata", "node_modules", "bin"}, name)) {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		file, err := parseBelow(root, path)
		files = append(files, file)
		return err
	})
	return files, err
}

func parseBelow(root, path string) (*File, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	relative, err := filepath.Rel(root, path)
	if err != nil {
		return nil, err
	}
	return Parse(filepath.ToSlash(relative), text)
}

package house

import (
	"strconv"
	"strings"
)

// module is the path that our own packages begin with.
const module = "tributary/"

// mayImport is the table of docs/architecture.md, section 2: what the packages of a folder may
// import of the project's own beside their own folder and internal. "*" is everything.
func mayImport() map[string][]string {
	return map[string][]string{
		"":           {},
		"cmd":        {"*"},
		"node":       {"*"},
		"bench":      {"*"},
		"mesh":       {},
		"schemas":    {"mesh"},
		"topics":     {"mesh", "schemas"},
		"ingest":     {"mesh", "schemas", "topics"},
		"processors": {"mesh", "schemas", "topics"},
		"sinks":      {"mesh", "schemas", "topics"},
		"serve":      {"mesh", "schemas", "topics", "sinks/views"},
		"deploy":     {},
		"examples":   {},
		"internal":   {},
	}
}

// Imports keeps the rooms apart: data flows one way, and so do imports. Tests may import what
// they need to stand a room up.
func Imports(f *File) []string {
	if f.Test() {
		return nil
	}
	allowed, known := mayImport()[f.folder()]
	if !known {
		return []string{f.fault(f.Syntax.Package, "folder %s is not in the table of imports; add it to docs/architecture.md, section 2, and to mayImport", f.folder())}
	}
	var faults []string
	for _, spec := range f.Syntax.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the parser has read it
		}
		own, ours := strings.CutPrefix(path, module)
		if ours && !within(own, append(allowed, f.folder(), "internal")) {
			faults = append(faults, f.fault(spec.Pos(), "%s must not import %s; let node join the two, or declare here the method that is needed", f.folder(), own))
		}
	}
	return faults
}

// within says whether a package lies in one of the folders.
func within(path string, folders []string) bool {
	for _, folder := range folders {
		if folder == "*" || path == folder || strings.HasPrefix(path, folder+"/") {
			return true
		}
	}
	return false
}

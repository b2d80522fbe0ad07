package graphql

import "github.com/vektah/gqlparser/v2/ast"

// maxRepeats bounds how often one selection set, inline fragments included, may name the same
// field. Validation compares each pair of them, so that without a bound a small document could
// keep a processor busy for seconds.
const maxRepeats = 50

// checkRepeats refuses such documents before they are validated.
func checkRepeats(doc *ast.QueryDocument) *Error {
	for _, op := range doc.Operations {
		if err := checkSet(op.SelectionSet, map[string]int{}); err != nil {
			return err
		}
	}
	for _, f := range doc.Fragments {
		if err := checkSet(f.SelectionSet, map[string]int{}); err != nil {
			return err
		}
	}
	return nil
}

func checkSet(set ast.SelectionSet, seen map[string]int) *Error {
	for _, sel := range set {
		var err *Error
		switch sel := sel.(type) {
		case *ast.Field:
			if seen[sel.Alias]++; seen[sel.Alias] > maxRepeats {
				return exceeds("the field "+sel.Alias+" is selected too often in one place", maxRepeats, "select it once").at(sel.Position)
			}
			err = checkSet(sel.SelectionSet, map[string]int{})
		case *ast.InlineFragment:
			err = checkSet(sel.SelectionSet, seen)
		case *ast.FragmentSpread:
			name := "..." + sel.Name
			if seen[name]++; seen[name] > maxRepeats {
				return exceeds("the fragment "+sel.Name+" is spread too often in one place", maxRepeats, "spread it once").at(sel.Position)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

package postgres

// A tuple is a row as text values, in the columns' order. Its memory is reused for each row.
type tuple []value

// A value is one column of a tuple, with pgoutput's kinds.
type value struct {
	kind byte
	text []byte
}

// Kinds of values.
const (
	kindNull      = 'n'
	kindText      = 't'
	kindUnchanged = 'u' // out-of-line value that the change did not touch and the log does not hold
)

// size is the length of all texts.
func (t tuple) size() int {
	n := 0
	for i := range t {
		n += len(t[i].text)
	}
	return n
}

package graphql

import "fmt"

// Limits bound what one request may ask for (I8). Zero values mean the defaults.
type Limits struct {
	Body       int64 // bytes of a request's body; 1 MiB
	Tokens     int   // of a document; 5,000
	Depth      int   // of selections below the root, and of and, or, not in where; 15
	Fields     int   // selected in an operation, fragments spread out; 2,000
	Aliases    int   // in an operation, fragments spread out; 100
	Roots      int   // fields at the root; 20
	Nodes      int64 // objects that an answer could hold: the products of first; 100,000
	Conditions int   // in all where under one root field; 100
	In         int   // values of one in; 1,000
	Answer     int   // bytes of an answer; 32 MiB
}

func (l *Limits) ensureDefaults() {
	def := func(v *int, to int) {
		if *v <= 0 {
			*v = to
		}
	}
	if l.Body <= 0 {
		l.Body = 1 << 20
	}
	if l.Nodes <= 0 {
		l.Nodes = 100_000
	}
	def(&l.Tokens, 5000)
	def(&l.Depth, 15)
	def(&l.Fields, 2000)
	def(&l.Aliases, 100)
	def(&l.Roots, 20)
	def(&l.Conditions, 100)
	def(&l.In, 1000)
	def(&l.Answer, 32<<20)
}

// exceeds is the error of a limit.
func exceeds(what string, limit any, mend string) *Error {
	return &Error{Message: fmt.Sprintf("%s: the limit is %v; %s", what, limit, mend), Code: CodeLimit}
}

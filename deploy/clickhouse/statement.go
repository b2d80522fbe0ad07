package clickhouse

import (
	"bytes"
	"strings"
)

// A statement is what has to be known of a query's text to run it as a ClickHouse server would.
type statement struct {
	// format is the output format that the text itself asks for, "" where it does not.
	format string
	// insert is set for an INSERT that brings its rows along; input is their format then, source
	// the offset where FROM INFILE belongs, dataFrom where the rows begin.
	insert           bool
	input            string
	source, dataFrom int
	// clause is the offset of the FORMAT or VALUES clause of such an INSERT.
	clause int
}

// clauseEnd stands in analyse for the name of a format as the previous word.
const clauseEnd = "\x00"

// analyse reads the text as far as its rows. It refuses what a server refuses over HTTP: several
// statements in one request, and files of the server's machine.
func analyse(text []byte) (statement, error) {
	var (
		s          statement
		lex        = lexer{text: text}
		insert     bool
		settings   = -1
		previous   string // word of the token before
		before     int    // its offset
		terminated bool
	)
	for first := true; lex.next(); first = false {
		if terminated {
			return s, syntaxError("Multi-statements are not allowed")
		}
		word := lex.word()
		switch {
		case first && word == "INSERT":
			insert = true
		case word == "OUTFILE" && previous == "INTO", word == "INFILE" && previous == "FROM":
			return s, notImplemented("%s is not available over HTTP: send or receive the rows in the body", word)
		case lex.depth == 0 && lex.symbol() == ';':
			terminated = true
		case lex.depth == 0 && previous == "FORMAT" && word != "":
			// Of a SELECT it may also be a column's name: then more follows than a clause's end.
			s.format = string(lex.token())
			if insert {
				return s.withRows(s.format, before, settings, skipLineEnd(text, lex.end)), nil
			}
			word = clauseEnd
		case insert && (word == "SELECT" || word == "WITH"):
			insert = false
		case insert && lex.depth == 0 && word == "SETTINGS":
			settings = lex.start
		case insert && lex.depth == 0 && word == "VALUES":
			return s.withRows("Values", lex.start, settings, lex.end), nil
		case previous == clauseEnd && word != "SETTINGS":
			s.format = ""
		}
		previous, before = word, lex.start
	}
	return s, nil
}

func (s statement) withRows(format string, clause, settings, dataFrom int) statement {
	s.insert, s.input, s.format = true, format, ""
	s.clause, s.source, s.dataFrom = clause, clause, dataFrom
	if settings >= 0 {
		s.source = settings
	}
	return s
}

// fromFile is the INSERT's text with its rows in a file. Rows never go inline: the engine ends
// inline rows at a line break, which binary formats contain.
func (s statement) fromFile(text []byte, path string) []byte {
	out := make([]byte, 0, s.dataFrom+len(path)+64)
	out = append(out, text[:s.source]...)
	out = append(out, " FROM INFILE "+quote(path)+" COMPRESSION 'none' "...)
	out = append(out, text[s.source:s.clause]...)
	return append(out, " FORMAT "+s.input...)
}

// skipLineEnd passes the blanks and the one line break between a format's name and its rows.
func skipLineEnd(text []byte, at int) int {
	for at < len(text) && (text[at] == ' ' || text[at] == '\t' || text[at] == '\f') {
		at++
	}
	if at < len(text) && text[at] == '\r' {
		at++
	}
	if at < len(text) && text[at] == '\n' {
		at++
	}
	return at
}

// A lexer splits a query's text into words, quoted parts and symbols; comments and blanks are
// passed over.
type lexer struct {
	text       []byte
	start, end int // of the current token
	depth      int // of parentheses and brackets around the current token
}

func (l *lexer) token() []byte { return l.text[l.start:l.end] }

// word is the current token in upper case if it is a bare word, else "".
func (l *lexer) word() string {
	if !isWord(l.text[l.start]) {
		return ""
	}
	return strings.ToUpper(string(l.token()))
}

// symbol is the current token if it is one character of punctuation, else 0.
func (l *lexer) symbol() byte {
	if c := l.text[l.start]; l.end-l.start == 1 && !isWord(c) {
		return c
	}
	return 0
}

func (l *lexer) next() bool {
	l.start = l.skipBlanks(l.end)
	if l.start >= len(l.text) {
		l.end = l.start
		return false
	}
	switch c := l.text[l.start]; {
	case isWord(c):
		l.end = l.start + 1
		for l.end < len(l.text) && isWord(l.text[l.end]) {
			l.end++
		}
	case c == '\'' || c == '"' || c == '`':
		l.end = quotedEnd(l.text, l.start)
	case c == '$':
		l.end = heredocEnd(l.text, l.start)
	default:
		l.end = l.start + 1
		if c == '(' || c == '[' || c == '{' {
			l.depth++
		} else if c == ')' || c == ']' || c == '}' {
			l.depth--
		}
	}
	return true
}

func (l *lexer) skipBlanks(at int) int {
	for at < len(l.text) {
		rest := l.text[at:]
		switch {
		case rest[0] == ' ' || rest[0] >= '\t' && rest[0] <= '\r':
			at++
		case bytes.HasPrefix(rest, []byte("--")), bytes.HasPrefix(rest, []byte("# ")), bytes.HasPrefix(rest, []byte("#!")):
			at = endOr(rest, at, "\n")
		case bytes.HasPrefix(rest, []byte("/*")):
			at = endOr(rest, at, "*/")
		default:
			return at
		}
	}
	return at
}

// endOr gives the offset behind the first end in rest, which begins at offset at, or the text's.
func endOr(rest []byte, at int, end string) int {
	if i := bytes.Index(rest, []byte(end)); i >= 0 {
		return at + i + len(end)
	}
	return at + len(rest)
}

// quotedEnd gives the offset behind a quoted part; a doubled quote starts a new part, which for
// our purpose is the same.
func quotedEnd(text []byte, start int) int {
	for i := start + 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case text[start]:
			return i + 1
		}
	}
	return len(text)
}

// heredocEnd gives the offset behind $tag$…$tag$, or behind the single $.
func heredocEnd(text []byte, start int) int {
	tagEnd := start + 1
	for tagEnd < len(text) && isWord(text[tagEnd]) {
		tagEnd++
	}
	if tagEnd == len(text) || text[tagEnd] != '$' {
		return start + 1
	}
	tag := string(text[start : tagEnd+1])
	return endOr(text[tagEnd+1:], tagEnd+1, tag)
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

var quoteEscapes = strings.NewReplacer(`\`, `\\`, `'`, `\'`)

// quote gives a string literal of ClickHouse's SQL.
func quote(s string) string { return "'" + quoteEscapes.Replace(s) + "'" }

var identifierEscapes = strings.NewReplacer(`\`, `\\`, "`", "\\`")

// quoteIdentifier gives a name in backticks.
func quoteIdentifier(s string) string { return "`" + identifierEscapes.Replace(s) + "`" }

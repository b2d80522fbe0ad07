package postgres

import "tributary/schemas"

// Branches of a union, as Avro writes them (zigzag).
const (
	branch0 = 0
	branch1 = 2
	branch2 = 4
)

// arrayEncoder writes the branch and value of an array column: an Avro array for what Postgres
// prints as {a,b,NULL}, the exact text for arrays of several dimensions or other lower bounds.
// asArray and asText are the branches.
func arrayEncoder(element encode, asArray, asText byte) encode {
	var scratch []byte // holds one element without its escapes; encoders have one user at a time
	return func(dst, text []byte) ([]byte, error) {
		count, flat := countElements(text)
		if !flat {
			return schemas.AppendBytes(append(dst, asText), text), nil
		}
		dst = append(dst, asArray)
		if count > 0 {
			dst = schemas.AppendLong(dst, int64(count))
			var err error
			if dst, scratch, err = encodeElements(dst, scratch, text[1:len(text)-1], element); err != nil {
				return dst, err
			}
		}
		return schemas.AppendLong(dst, 0), nil
	}
}

// countElements counts the elements of a one-dimensional array with lower bound 1; flat is false
// for any other text.
func countElements(text []byte) (count int, flat bool) {
	if len(text) < 2 || text[0] != '{' || text[len(text)-1] != '}' {
		return 0, false
	}
	inner := text[1 : len(text)-1]
	if len(inner) == 0 {
		return 0, true
	}
	count = 1
	quoted := false
	for i := 0; i < len(inner); i++ {
		switch c := inner[i]; {
		case c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '}':
			return 0, false
		case c == ',':
			count++
		}
	}
	return count, !quoted
}

// encodeElements writes the elements between the braces, each as a union with null.
func encodeElements(dst, scratch, inner []byte, element encode) (_, _ []byte, err error) {
	for rest := inner; ; {
		var value []byte
		var quoted bool
		value, scratch, rest, quoted = nextElement(rest, scratch)
		if !quoted && isNull(value) {
			dst = append(dst, branch0)
		} else if dst, err = element(append(dst, branch1), value); err != nil {
			return dst, scratch, err
		}
		if len(rest) == 0 {
			return dst, scratch, nil
		}
		rest = rest[1:] // the comma
	}
}

// isNull recognises the word that stands for null where it is not quoted.
func isNull(text []byte) bool { return string(text) == "NULL" }

// nextElement splits off one element and takes its quotes and escapes away.
func nextElement(in, scratch []byte) (value, newScratch, rest []byte, quoted bool) {
	if len(in) == 0 || in[0] != '"' {
		for i, c := range in {
			if c == ',' {
				return in[:i], scratch, in[i:], false
			}
		}
		return in, scratch, nil, false
	}
	scratch = scratch[:0]
	for i := 1; i < len(in); i++ {
		switch c := in[i]; c {
		case '"':
			return scratch, scratch, in[i+1:], true
		case '\\':
			i++
			if i < len(in) {
				scratch = append(scratch, in[i])
			}
		default:
			scratch = append(scratch, c)
		}
	}
	return scratch, scratch, nil, true
}

package jsontext

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

// reference decodes as the standard library does, with numbers kept.
func reference(text []byte) (v any, ok bool) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if d.Decode(&v) != nil || !json.Valid(text) {
		return nil, false
	}
	return v, true
}

func depth(text []byte) (most int) {
	n := 0
	for _, c := range text {
		switch c {
		case '[', '{':
			n++
			most = max(most, n)
		case ']', '}':
			n--
		}
	}
	return most
}

// FuzzParse compares with encoding/json. Run it with go test ./serve/jsontext -fuzz FuzzParse.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{"query":"{ a }","variables":{"x":[1,-0.5e+3,null,true,false,"\ud83d\ude00\ud83d\n\u00e4ö"]}}`, `[]`, `{}`, ` "a" `, `01`, `-`, `1.`, `1e`, `.5`, `-0`,
		`"\x"`, `"\u12"`, `"\ud800\u0041"`, "\"\xff\"", "\"\x01\"", `{"a":1,"a":2}`, `{"a" 1}`, `[1,]`, `[1 2]`, `nul`, `tru`, `{"a":1,}`, `{,}`, "", "\"a", `"\`,
		strings.Repeat("[", 99) + strings.Repeat("]", 99), strings.Repeat("[", 200),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if depth(text) > MaxDepth {
			NewParser(text).Value()
			return
		}
		want, ok := reference(text)
		p := NewParser(text)
		got := p.Value()
		err := p.End()
		if (err == nil) != ok {
			t.Fatalf("%q: error %v, the standard library takes it: %v", text, err, ok)
		}
		if ok && !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: %#v, want %#v", text, got, want)
		}
	})
}

func TestTooDeep(t *testing.T) {
	p := NewParser([]byte(strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1)))
	p.Value()
	if p.End() == nil {
		t.Error("a text nested too deeply was taken")
	}
}

// FuzzAppendString: what is appended reads back as the text, its faults replaced.
func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "plain", "\"\\\n\r\t\x00\x1f", "ä€😀", "a\xffb", "\xed\xa0\x80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var got string
		if err := json.Unmarshal(AppendString(nil, s), &got); err != nil || got != string([]rune(s)) {
			t.Fatalf("%q: %q, %v", s, got, err)
		}
	})
}

func TestAppendTime(t *testing.T) {
	at := time.Date(2026, 11, 23, 9, 0, 0, 1000, time.FixedZone("", 3600))
	if got := string(AppendTime(nil, at)); got != `"2026-11-23T08:00:00.000001Z"` {
		t.Error(got)
	}
	if got := string(AppendTime(nil, time.Time{})); got != "null" {
		t.Error(got)
	}
}

// Package conformance is the suite that every schema registry must pass with which Tributary
// works: the embedded one and external ones. In goes a registry's address; it uses subjects of
// its own and deletes them, and leaves the global level as it found it.
package conformance

import (
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	v1       = `{"type":"record","name":"Product","namespace":"acme","fields":[{"name":"sku","type":"string"}]}`
	v1Spaced = `{ "namespace" : "acme", "name":"Product", "type" : "record", "fields":[ {"type":"string","name":"sku"} ] }`
	// v2 reads v1 and is read by it, v3 neither.
	v2 = `{"type":"record","name":"Product","namespace":"acme","fields":[{"name":"sku","type":"string"},{"name":"name","type":["null","string"],"default":null}]}`
	v3 = `{"type":"record","name":"Product","namespace":"acme","fields":[{"name":"sku","type":"int"}]}`
	// wider reads v1, but v1 does not read it.
	wider = `{"type":"record","name":"Product","namespace":"acme","fields":[{"name":"sku","type":["null","string"]}]}`
)

// Run tests the registry at base, e.g. "http://127.0.0.1:8081".
func Run(t *testing.T, base string) {
	s := &suite{base: strings.TrimSuffix(base, "/"), run: strconv.FormatInt(time.Now().UnixNano(), 36)}
	for name, test := range map[string]func(*testing.T){
		"register": s.testRegister, "lookup": s.testLookup, "versions": s.testVersions, "ids": s.testIDs,
		"compatibility": s.testCompatibility, "levels": s.testLevels, "config": s.testConfig,
		"delete": s.testDelete, "delete one": s.testDeleteVersion, "come back": s.testComeBack,
		"bad input": s.testBadInput, "references": s.testReferences, "names": s.testNames,
	} {
		t.Run(name, test)
	}
	s.cleanUp(t)
}

// cleanUp deletes what the suite made.
func (s *suite) cleanUp(t *testing.T) {
	for _, step := range []string{"", "?permanent=true"} {
		for range 2 { // a second round for what was referenced in the first
			for _, subject := range names(s.ok(t, http.MethodGet, "/subjects?deleted=true", nil)) {
				if strings.HasPrefix(subject, s.subject("")) {
					s.call(t, http.MethodDelete, at("/subjects/", subject, step), nil)
				}
			}
		}
	}
}

func names(a answer) (out []string) {
	list, _ := a.body.([]any)
	for _, v := range list {
		if name, ok := v.(string); ok {
			out = append(out, name)
		}
	}
	return out
}

func (s *suite) testRegister(t *testing.T) {
	one, two := s.subject("register-value"), s.subject("register-2-value")
	id := s.register(t, one, v1)
	if again := s.register(t, one, v1); again != id {
		t.Errorf("registered again: id %d, want %d", again, id)
	}
	if spaced := s.register(t, one, v1Spaced); spaced != id {
		t.Errorf("registered with other white space and order: id %d, want %d", spaced, id)
	}
	if other := s.register(t, two, v1); other != id {
		t.Errorf("registered under another subject: id %d, want %d", other, id)
	}
	// Ids are given once for all subjects: only what no other test registers gets a new one.
	fresh := fmt.Sprintf(`{"type":"record","name":"Product","namespace":"acme","fields":[{"name":"sku","type":"string"},{"name":"r%s","type":["null","string"],"default":null}]}`, s.run)
	if next := s.register(t, one, fresh); next <= id {
		t.Errorf("id of the second schema is %d, want more than %d", next, id)
	}
	s.gives(t, http.MethodGet, at("/subjects/", one, "/versions"), nil, "[1,2]")
	s.gives(t, http.MethodGet, at("/subjects/", two, "/versions"), nil, "[1]")
}

func (s *suite) testLookup(t *testing.T) {
	subject := s.subject("lookup-value")
	s.fails(t, http.MethodPost, at("/subjects/", subject, ""), schemaBody(v1), 40401)
	id := s.register(t, subject, v1)
	a := s.ok(t, http.MethodPost, at("/subjects/", subject, ""), schemaBody(v1Spaced))
	if a.number("id") != id || a.number("version") != 1 || a.field("subject") != subject {
		t.Errorf("lookup: %s", a.raw)
	}
	s.fails(t, http.MethodPost, at("/subjects/", subject, ""), schemaBody(v2), 40403)
}

func (s *suite) testVersions(t *testing.T) {
	subject := s.subject("versions-value")
	s.fails(t, http.MethodGet, at("/subjects/", subject, "/versions"), nil, 40401)
	s.fails(t, http.MethodGet, at("/subjects/", subject, "/versions/1"), nil, 40401)
	s.register(t, subject, v1)
	id := s.register(t, subject, v2)
	for _, which := range []string{"2", "latest", "-1"} {
		a := s.ok(t, http.MethodGet, at("/subjects/", subject, "/versions/"+which), nil)
		text, _ := a.field("schema").(string)
		if a.number("version") != 2 || a.number("id") != id || !reflect.DeepEqual(parsed(t, text), parsed(t, v2)) {
			t.Errorf("version %s: %s", which, a.raw)
		}
	}
	s.gives(t, http.MethodGet, at("/subjects/", subject, "/versions/1/schema"), nil, v1)
	s.fails(t, http.MethodGet, at("/subjects/", subject, "/versions/3"), nil, 40402)
	for _, bad := range []string{"0", "-2", "x", "2147483648"} {
		s.fails(t, http.MethodGet, at("/subjects/", subject, "/versions/"+bad), nil, 42202)
	}
}

func (s *suite) testIDs(t *testing.T) {
	one, two := s.subject("ids-a"), s.subject("ids-b")
	unique := strings.Replace(v1, "acme", "acme.n"+s.run, 1) // so that no other subject has it
	id := s.register(t, one, unique)
	s.register(t, two, unique)
	path := fmt.Sprintf("/schemas/ids/%d", id)
	text, _ := s.ok(t, http.MethodGet, path, nil).field("schema").(string)
	if !reflect.DeepEqual(parsed(t, text), parsed(t, unique)) {
		t.Errorf("schema of id %d: %s", id, text)
	}
	s.gives(t, http.MethodGet, path+"/schema", nil, unique)
	s.gives(t, http.MethodGet, path+"/subjects", nil, fmt.Sprintf("[%q,%q]", one, two))
	s.gives(t, http.MethodGet, path+"/versions", nil,
		fmt.Sprintf(`[{"subject":%q,"version":1},{"subject":%q,"version":1}]`, one, two))
	s.fails(t, http.MethodGet, "/schemas/ids/2147483647", nil, 40403)
	types := names(s.ok(t, http.MethodGet, "/schemas/types", nil))
	if !strings.Contains(strings.Join(types, " "), "AVRO") {
		t.Errorf("types: %v", types)
	}
}

func (s *suite) testNames(t *testing.T) {
	for _, name := range []string{"a/b-value", "with space-value", "ünïcode-value", "a%b+c?d-value"} {
		subject := s.subject(name)
		id := s.register(t, subject, v1)
		if a := s.ok(t, http.MethodGet, at("/subjects/", subject, "/versions/latest"), nil); a.number("id") != id || a.field("subject") != subject {
			t.Errorf("subject %q: %s", subject, a.raw)
		}
		found := names(s.ok(t, http.MethodGet, "/subjects", nil))
		if !strings.Contains(strings.Join(found, "\n"), subject) {
			t.Errorf("subject %q is not listed", subject)
		}
	}
}

func (s *suite) testReferences(t *testing.T) {
	base, user := s.subject("refs-base"), s.subject("refs-user")
	s.register(t, base, `{"type":"record","name":"Money","namespace":"acme","fields":[{"name":"amount","type":"long"}]}`)
	body := map[string]any{
		"schema":     `{"type":"record","name":"Price","namespace":"acme","fields":[{"name":"net","type":"acme.Money"}]}`,
		"references": []any{map[string]any{"name": "acme.Money", "subject": base, "version": 1}},
	}
	id := s.ok(t, http.MethodPost, at("/subjects/", user, "/versions"), body).number("id")
	s.gives(t, http.MethodGet, at("/subjects/", base, "/versions/1/referencedby"), nil, fmt.Sprintf("[%d]", id))
	s.fails(t, http.MethodDelete, at("/subjects/", base, "/versions/1"), nil, 42206)
	delete(body, "references")
	s.fails(t, http.MethodPost, at("/subjects/", user, "/versions"), body, 42201)
}

func (s *suite) testBadInput(t *testing.T) {
	path := at("/subjects/", s.subject("bad-value"), "/versions")
	for _, schema := range []string{
		`{"type":"record"}`, `{"type":"nosuch"}`, `"nosuch"`, `{`, `{"type":"record","name":"R","fields":[{"name":"a"}]}`,
		`{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"a","type":"int"}]}`,
		`["int","int"]`, `{"type":"enum","name":"E","symbols":["A","A"]}`,
	} {
		s.fails(t, http.MethodPost, path, schemaBody(schema), 42201)
	}
	s.fails(t, http.MethodPut, at("/config/", s.subject("bad-value"), ""), map[string]any{"compatibility": "SOMETIMES"}, 42203)
}

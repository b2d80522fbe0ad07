package conformance

import (
	"net/http"
	"strconv"
	"testing"
)

func (s *suite) setLevel(t *testing.T, subject, level string) {
	t.Helper()
	a := s.ok(t, http.MethodPut, at("/config/", subject, ""), map[string]any{"compatibility": level})
	if a.field("compatibility") != level {
		t.Errorf("set level %s: %s", level, a.raw)
	}
}

func (s *suite) testCompatibility(t *testing.T) {
	subject := s.subject("compat-value")
	latest := at("/compatibility/subjects/", subject, "/versions/latest")
	s.gives(t, http.MethodPost, latest, schemaBody(v1), `{"is_compatible":true}`)
	s.setLevel(t, subject, "BACKWARD")
	s.register(t, subject, v1)
	s.gives(t, http.MethodPost, latest, schemaBody(v2), `{"is_compatible":true}`)
	s.gives(t, http.MethodPost, latest, schemaBody(v3), `{"is_compatible":false}`)
	s.gives(t, http.MethodPost, at("/compatibility/subjects/", subject, "/versions"), schemaBody(v3), `{"is_compatible":false}`)
	a := s.ok(t, http.MethodPost, latest+"?verbose=true", schemaBody(v3))
	if messages := names(answer{body: a.field("messages")}); a.field("is_compatible") != false || len(messages) == 0 {
		t.Errorf("verbose: %s", a.raw)
	}
	s.fails(t, http.MethodPost, at("/compatibility/subjects/", subject, "/versions/7"), schemaBody(v1), 40402)
	s.fails(t, http.MethodPost, at("/compatibility/subjects/", subject, "/versions/x"), schemaBody(v1), 42202)
	s.fails(t, http.MethodPost, latest, schemaBody(`{"type":"nosuch"}`), 42201)
	s.fails(t, http.MethodPost, at("/subjects/", subject, "/versions"), schemaBody(v3), 409, 40901)
	s.gives(t, http.MethodGet, at("/subjects/", subject, "/versions"), nil, "[1]")
}

func (s *suite) testLevels(t *testing.T) {
	for level, accepts := range map[string]map[string]bool{
		"NONE":     {v2: true, v3: true, wider: true},
		"BACKWARD": {v2: true, v3: false, wider: true},
		"FORWARD":  {v2: true, v3: false, wider: false},
		"FULL":     {v2: true, v3: false, wider: false},
	} {
		subject := s.subject("level-" + level)
		s.setLevel(t, subject, level)
		s.register(t, subject, v1)
		for schema, want := range accepts {
			a := s.ok(t, http.MethodPost, at("/compatibility/subjects/", subject, "/versions/latest"), schemaBody(schema))
			if a.field("is_compatible") != want {
				t.Errorf("%s: %s: %s, want %v", level, schema, a.raw, want)
			}
		}
	}
	// The last version would take a schema that the first does not: only transitive levels refuse.
	const withDefault = `{"type":"record","name":"T","fields":[{"name":"a","type":"int"},{"name":"b","type":"int","default":1}]}`
	const without = `{"type":"record","name":"T","fields":[{"name":"a","type":"int"},{"name":"b","type":"int"}]}`
	for level, codes := range map[string][]int{"BACKWARD": nil, "BACKWARD_TRANSITIVE": {409, 40901}} {
		subject := s.subject("transitive-" + level)
		s.setLevel(t, subject, level)
		s.register(t, subject, `{"type":"record","name":"T","fields":[{"name":"a","type":"int"}]}`)
		s.register(t, subject, withDefault)
		if codes == nil {
			s.register(t, subject, without)
			continue
		}
		s.fails(t, http.MethodPost, at("/subjects/", subject, "/versions"), schemaBody(without), codes...)
	}
}

func (s *suite) testConfig(t *testing.T) {
	subject := s.subject("config-value")
	global, _ := s.ok(t, http.MethodGet, "/config", nil).field("compatibilityLevel").(string)
	if global == "" {
		t.Fatal("no global level")
	}
	own := at("/config/", subject, "")
	s.fails(t, http.MethodGet, own, nil, 40408)
	s.gives(t, http.MethodGet, own+"?defaultToGlobal=true", nil, `{"compatibilityLevel":"`+global+`"}`)
	s.setLevel(t, subject, "FULL")
	s.gives(t, http.MethodGet, own, nil, `{"compatibilityLevel":"FULL"}`)
	s.gives(t, http.MethodDelete, own, nil, `{"compatibilityLevel":"FULL"}`)
	s.fails(t, http.MethodGet, own, nil, 40408)
	s.fails(t, http.MethodDelete, own, nil, 40401)
	s.gives(t, http.MethodPut, "/config", map[string]any{"compatibility": global}, `{"compatibility":"`+global+`"}`)
	s.gives(t, http.MethodGet, "/mode", nil, `{"mode":"READWRITE"}`)
}

func (s *suite) testDelete(t *testing.T) {
	subject := s.subject("delete-value")
	path := at("/subjects/", subject, "")
	s.fails(t, http.MethodDelete, path, nil, 40401)
	id := s.register(t, subject, v1)
	s.register(t, subject, v2)
	s.fails(t, http.MethodDelete, path+"?permanent=true", nil, 40405)
	s.gives(t, http.MethodDelete, path, nil, "[1,2]")
	s.fails(t, http.MethodDelete, path, nil, 40404)
	s.fails(t, http.MethodGet, path+"/versions", nil, 40401)
	s.gives(t, http.MethodGet, path+"/versions?deleted=true", nil, "[1,2]")
	s.ok(t, http.MethodGet, "/schemas/ids/"+strconv.Itoa(id), nil) // old records stay readable
	s.gives(t, http.MethodDelete, path+"?permanent=true", nil, "[1,2]")
	s.fails(t, http.MethodGet, path+"/versions?deleted=true", nil, 40401)
}

func (s *suite) testDeleteVersion(t *testing.T) {
	subject := s.subject("delete-one-value")
	path := at("/subjects/", subject, "/versions")
	s.register(t, subject, v1)
	s.register(t, subject, v2)
	s.fails(t, http.MethodDelete, path+"/3", nil, 40402)
	s.fails(t, http.MethodDelete, path+"/1?permanent=true", nil, 40407)
	s.gives(t, http.MethodDelete, path+"/1", nil, "1")
	s.fails(t, http.MethodDelete, path+"/1", nil, 40406)
	s.fails(t, http.MethodGet, path+"/1", nil, 40402)
	s.gives(t, http.MethodGet, path, nil, "[2]")
	s.gives(t, http.MethodDelete, path+"/1?permanent=true", nil, "1")
	s.gives(t, http.MethodDelete, path+"/latest", nil, "2")
}

// testComeBack registers a deleted schema again: the same id under a new number.
func (s *suite) testComeBack(t *testing.T) {
	subject := s.subject("come-back-value")
	id := s.register(t, subject, v1)
	s.gives(t, http.MethodDelete, at("/subjects/", subject, ""), nil, "[1]")
	if again := s.register(t, subject, v1); again != id {
		t.Errorf("registered again after a delete: id %d, want %d", again, id)
	}
	s.gives(t, http.MethodGet, at("/subjects/", subject, "/versions"), nil, "[2]")
}

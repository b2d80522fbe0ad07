package graphql

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

const (
	grj  = "application/graphql-response+json"
	jsn  = "application/json"
	ping = `{ __typename }`
)

// An audit is one check of graphql-http's server audit suite, by its id.
type audit struct {
	id      string
	accept  string
	body    string // of a POST; for GET the URL's query
	get     bool
	content string // Content-Type; "-" for none, "" for JSON
	status  int
	check   func(t *testing.T, w *httptest.ResponseRecorder, answer map[string]json.RawMessage)
}

func noErrors(t *testing.T, _ *httptest.ResponseRecorder, answer map[string]json.RawMessage) {
	t.Helper()
	if answer["errors"] != nil || answer["data"] == nil {
		t.Errorf("errors: %s, data: %s", answer["errors"], answer["data"])
	}
}

func noData(t *testing.T, _ *httptest.ResponseRecorder, answer map[string]json.RawMessage) {
	t.Helper()
	if _, ok := answer["data"]; ok || answer["errors"] == nil {
		t.Errorf("an answer without execution must have errors and no data: %v", answer)
	}
}

func contentType(want string) func(*testing.T, *httptest.ResponseRecorder, map[string]json.RawMessage) {
	return func(t *testing.T, w *httptest.ResponseRecorder, answer map[string]json.RawMessage) {
		t.Helper()
		if !strings.Contains(w.Header().Get("Content-Type"), want) {
			t.Errorf("content type %s", w.Header().Get("Content-Type"))
		}
		noErrors(t, w, answer)
	}
}

func params(extra string) string { return `{"query":"` + ping + `"` + extra + `}` }

const byName = `"query":"query T($name: String!) { __type(name: $name) { name } }","variables":{"name":"Sometype"}`

const notNull = `{"query":"query ($sku: String!) { product(sku: $sku) { sku } }","variables":{"sku":null}}`

// audits are the checks of the suite that apply to a server of queries (wire-formats, 7.3).
var audits = []audit{
	{id: "22EB", accept: grj, body: params(""), status: 200, check: contentType(grj)},
	{id: "4655", accept: jsn, body: params(""), status: 200, check: contentType(jsn)},
	{id: "47DE", accept: "*/*", body: params(""), status: 200, check: contentType(jsn)},
	{id: "80D8", body: params(""), status: 200, check: contentType(jsn)},
	{id: "BF61", content: "application/json; charset=utf-8", body: `{"query":"{ __type(name: \"Run🏃Swim🏊\") { name } }"}`, status: 200, check: noErrors},
	{id: "78D5", accept: jsn, body: params(""), status: 200},
	{id: "2C94", accept: jsn, body: params(""), status: 200},
	{id: "5A70", get: true, body: "query=" + url.QueryEscape(ping), status: 200, check: noErrors},
	{id: "9C48", get: true, accept: grj, body: "query=" + url.QueryEscape("mutation { __typename }"), status: 400},
	{id: "9ABE", content: "text/plain;charset=UTF-8", body: params(""), status: 415},
	{id: "9ABE-none", content: "-", body: params(""), status: 415},
	{id: "03D4", body: params(""), status: 200},
	{id: "A5BF", body: "", status: 400, check: noData},
	{id: "423L", accept: grj, body: `{"notquery":1}`, status: 400, check: noData},
	{id: "LKJ0", body: `{"query":{"obj":"ect"}}`, status: 400, check: noData},
	{id: "LKJ1", body: `{"query":0}`, status: 400, check: noData},
	{id: "LKJ2", body: `{"query":false}`, status: 400, check: noData},
	{id: "LKJ3", body: `{"query":["array"]}`, status: 400, check: noData},
	{id: "34A2", accept: grj, body: params(""), status: 200},
	{id: "13EE", accept: jsn, body: params(""), status: 200, check: noErrors},
	{id: "6C00", body: params(`,"operationName":{"obj":"ect"}`), status: 400},
	{id: "6C01", body: params(`,"operationName":0`), status: 400},
	{id: "6C02", body: params(`,"operationName":false`), status: 400},
	{id: "6C03", body: params(`,"operationName":["array"]`), status: 400},
	{id: "8161", accept: grj, body: `{"operationName":"Query","query":"query Query { __typename }"}`, status: 200},
	{id: "B8B3", accept: jsn, body: `{"operationName":"Query","query":"query Query { __typename }"}`, status: 200, check: noErrors},
	{id: "94B0", accept: grj, body: params(`,"variables":null`), status: 200, check: noErrors},
	{id: "94B1", accept: grj, body: params(`,"operationName":null`), status: 200, check: noErrors},
	{id: "94B2", accept: grj, body: params(`,"extensions":null`), status: 200, check: noErrors},
	{id: "0220", accept: jsn, body: params(`,"variables":null`), status: 200, check: noErrors},
	{id: "0221", accept: jsn, body: params(`,"operationName":null`), status: 200, check: noErrors},
	{id: "0222", accept: jsn, body: params(`,"extensions":null`), status: 200, check: noErrors},
	{id: "4760", body: params(`,"variables":"string"`), status: 400},
	{id: "4761", body: params(`,"variables":0`), status: 400},
	{id: "4762", body: params(`,"variables":false`), status: 400},
	{id: "4763", body: params(`,"variables":["array"]`), status: 400},
	{id: "2EA1", accept: grj, body: "{" + byName + "}", status: 200},
	{id: "28B9", accept: jsn, body: "{" + byName + "}", status: 200, check: noErrors},
	{id: "D6D5", get: true, accept: grj, body: "query=" + url.QueryEscape("query T($name: String!) { __type(name: $name) { name } }") + "&variables=" + url.QueryEscape(`{"name":"Sometype"}`), status: 200, check: noErrors},
	{id: "6A70", get: true, accept: jsn, body: "query=" + url.QueryEscape("query T($name: String!) { __type(name: $name) { name } }") + "&variables=" + url.QueryEscape(`{"name":"Sometype"}`), status: 200, check: noErrors},
	{id: "58B0", body: params(`,"extensions":"string"`), status: 400},
	{id: "58B1", body: params(`,"extensions":0`), status: 400},
	{id: "58B2", body: params(`,"extensions":false`), status: 400},
	{id: "58B3", body: params(`,"extensions":["array"]`), status: 400},
	{id: "428F", accept: grj, body: params(`,"extensions":{"some":"value"}`), status: 200},
	{id: "1B7A", accept: jsn, body: params(`,"extensions":{"some":"value"}`), status: 200, check: noErrors},
	{id: "B6DC", accept: jsn, body: `{ "not a JSON`, status: 400},
	{id: "BCF8", accept: jsn, body: `{ "not a JSON`, status: 400},
	{id: "B7N8", accept: grj, body: `{ "not a JSON`, status: 400},
	{id: "8764", accept: grj, body: `{"qeury":"{ __typename }"}`, status: 400},
	{id: "572B", accept: jsn, body: `{"query":"{"}`, status: 200, check: noData},
	{id: "FDE2", accept: jsn, body: `{"query":"{ 8f31403dfe404bccbb0e835f2629c6a7 }"}`, status: 200, check: noData},
	{id: "7B9B", accept: jsn, body: notNull, status: 200, check: noData},
	{id: "865D", accept: grj, body: `{"query":"{"}`, status: 400, check: noData},
	{id: "51FE", accept: grj, body: `{"query":"{ 8f31403dfe404bccbb0e835f2629c6a7 }"}`, status: 400, check: noData},
	{id: "86EE", accept: grj, body: notNull, status: 400, check: noData},
	// Beyond the suite.
	{id: "validation, legacy", accept: jsn, body: `{"query":"{ none }"}`, status: 200, check: noData},
	{id: "validation", accept: grj, body: `{"query":"{ none }"}`, status: 400, check: noData},
	{id: "charset", content: "application/json; charset=latin1", body: params(""), status: 415},
	{id: "accept list", accept: "text/html, " + grj + ";q=0.9, */*;q=0.1", body: params(""), status: 200, check: contentType(grj)},
	{id: "accept none", accept: "text/html", body: params(""), status: 406},
	{id: "GET without query", get: true, status: 400, check: noData},
	{id: "GET with broken variables", get: true, body: "query=%7B__typename%7D&variables=%7B", status: 400, check: noData},
	{id: "trailing text", body: params("") + "x", status: 400},
	{id: "array", body: "[" + params("") + "]", status: 400},
}

func TestAudits(t *testing.T) {
	s, _ := seeded(t, nil)
	for _, a := range audits {
		t.Run(a.id, func(t *testing.T) {
			req := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(a.body))
			if a.get {
				req = httptest.NewRequest(http.MethodGet, "/graphql?"+a.body, nil)
			} else if a.content != "-" {
				req.Header.Set("Content-Type", a.content)
				if a.content == "" {
					req.Header.Set("Content-Type", jsn)
				}
			}
			if a.accept != "" {
				req.Header.Set("Accept", a.accept)
			}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, req)
			if w.Code != a.status {
				t.Fatalf("status %d, want %d: %s", w.Code, a.status, w.Body)
			}
			body, err := io.ReadAll(w.Result().Body)
			if err != nil || !utf8.Valid(body) { // 82A3
				t.Errorf("the body is not UTF-8: %v", err)
			}
			if a.check == nil {
				return
			}
			var answer map[string]json.RawMessage
			if err := json.Unmarshal(body, &answer); err != nil {
				t.Fatalf("%v: %s", err, body)
			}
			a.check(t, w, answer)
		})
	}
}

func TestWrongMethod(t *testing.T) {
	s, _ := seeded(t, nil)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodPut, "/graphql", nil))
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, POST" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestBodyLimit(t *testing.T) {
	s, _ := seeded(t, func(o *Options) { o.Limits.Body = 100 })
	if w := post(s, ping, `{"x":"`+strings.Repeat("x", 100)+`"}`); w.Code != http.StatusRequestEntityTooLarge || !strings.Contains(w.Body.String(), "100 bytes") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

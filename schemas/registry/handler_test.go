package registry

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// request wants a status and gives the body.
func request(t *testing.T, method, url, body string, want int) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != want || resp.Header.Get("Content-Type") != mediaType {
		t.Errorf("%s %s: status %d, %s: %s; want status %d", method, url, resp.StatusCode, resp.Header.Get("Content-Type"), raw, want)
	}
	return string(raw)
}

func TestRefusals(t *testing.T) {
	brokers, stopBroker := startBroker(t, t.TempDir())
	t.Cleanup(stopBroker)
	_, url, _ := startServer(t, brokers)
	const int1 = `{"schema":"\"int\""}`
	for _, c := range []struct {
		method, path, body string
		code               int
		message            string
	}{
		{http.MethodPost, "/subjects/s/versions", `{"schema":"` + strings.Repeat(" ", maxBody) + `"}`, 42209, "1048576 bytes"},
		{http.MethodPost, "/subjects/s/versions", `{`, 400, "JSON"},
		{http.MethodPost, "/subjects/s/versions", `{}`, 42201, "no schema"},
		{http.MethodPost, "/subjects/s/versions", `{"schema":"{}","schemaType":"JSON"}`, 42201, "later version"},
		{http.MethodPost, "/subjects/s/versions", `{"schema":"x","schemaType":"PROTOBUF"}`, 42201, "later version"},
		{http.MethodPost, "/subjects/s/versions", `{"schema":"x","schemaType":"XML"}`, 42201, "XML"},
		{http.MethodPost, "/subjects/s/versions", `{"schema":"\"int\"","ruleSet":{}}`, 42210, "ruleSet"},
		{http.MethodPost, "/subjects/s/versions", `{"schema":"\"int\"","metadata":{}}`, 42201, "metadata"},
		{http.MethodPost, "/subjects/s/versions", `{"schema":"\"int\"","id":7}`, 42205, "IMPORT"},
		{http.MethodPost, "/subjects/s/versions", `{"schema":"\"int\"","version":7}`, 42201, "next version"},
		{http.MethodPost, "/subjects/s/versions", `{"schema":"\"int\"","references":[{"name":"X","subject":"none","version":1}]}`, 42201, "has no version 1"},
		{http.MethodPost, "/subjects/:.ctx:s/versions", int1, 42208, "context"},
		{http.MethodPost, "/subjects/a%00b/versions", int1, 42208, "not a valid name"},
		{http.MethodPut, "/config/s", `{"compatibility":"FULL","alias":"x"}`, 42205, "other options"},
		{http.MethodPut, "/mode", `{"mode":"IMPORT"}`, 42205, "READWRITE"},
		{http.MethodPut, "/mode", `{"mode":"SIDEWAYS"}`, 42204, "Invalid mode"},
		{http.MethodGet, "/mode/s", ``, 40409, "mode"},
		{http.MethodGet, "/schemas/ids/x", ``, 40403, "not found"},
		{http.MethodGet, "/nosuch", ``, 404, "Not Found"},
		{http.MethodPatch, "/subjects", ``, 405, "Not Allowed"},
	} {
		status := c.code
		if status > 1000 {
			status /= 100
		}
		body := request(t, c.method, url+c.path, c.body, status)
		if !strings.HasPrefix(body, fmt.Sprintf(`{"error_code":%d,"message":"`, c.code)) || !strings.Contains(body, c.message) {
			t.Errorf("%s %s %.60s: %s; want code %d and %q", c.method, c.path, c.body, body, c.code, c.message)
		}
	}
	if body := request(t, http.MethodGet, url+"/subjects", "", http.StatusOK); body != "[]" {
		t.Errorf("refused requests left subjects behind: %s", body)
	}
}

func TestPagesOfOtherOriginsAreKeptOut(t *testing.T) {
	brokers, stopBroker := startBroker(t, t.TempDir())
	t.Cleanup(stopBroker)
	_, url, _ := startServer(t, brokers)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, url+"/subjects/s", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if _ = resp.Body.Close(); resp.StatusCode != http.StatusForbidden {
		t.Errorf("status %d, want 403", resp.StatusCode)
	}
}

func TestListsAndPages(t *testing.T) {
	brokers, stopBroker := startBroker(t, t.TempDir())
	t.Cleanup(stopBroker)
	s, url, _ := startServer(t, brokers)
	for _, subject := range []string{"b-value", "a-value", "c-key"} {
		mustRegister(t, s, subject, schemaNamed("Same"))
	}
	mustRegister(t, s, "a-value", `{"type":"record","name":"Same","fields":[{"name":"x","type":"int","default":0}]}`)
	request(t, http.MethodDelete, url+"/subjects/c-key", "", http.StatusOK)
	for path, want := range map[string]string{
		"/subjects":                                      `["a-value","b-value"]`,
		"/subjects?deleted=true":                         `["a-value","b-value","c-key"]`,
		"/subjects?deletedOnly=true":                     `["c-key"]`,
		"/subjects?subjectPrefix=b":                      `["b-value"]`,
		"/subjects?offset=1&limit=1":                     `["b-value"]`,
		"/subjects?offset=9":                             `[]`,
		"/subjects/a-value/versions?limit=1":             `[1]`,
		"/schemas/ids/1/subjects":                        `["a-value","b-value"]`,
		"/schemas/ids/1/subjects?deleted=true":           `["a-value","b-value","c-key"]`,
		"/schemas/ids/1/versions?subject=b-value":        `[{"subject":"b-value","version":1}]`,
		"/subjects/a-value/versions/latest/referencedby": `[]`,
		"/mode/a-value?defaultToGlobal=true":             `{"mode":"READWRITE"}`,
		"/contexts":                                      `["."]`,
		"/":                                              `{}`,
	} {
		if body := request(t, http.MethodGet, url+path, "", http.StatusOK); body != want {
			t.Errorf("%s: %s, want %s", path, body, want)
		}
	}
	if body := request(t, http.MethodGet, url+"/schemas?latestOnly=true", "", http.StatusOK); strings.Count(body, `"subject"`) != 2 || !strings.Contains(body, `"version":2`) {
		t.Errorf("latest schemas: %s", body)
	}
	guid := mustRegister(t, s, "a-value", schemaNamed("Same")).content.guid()
	if body := request(t, http.MethodGet, url+"/schemas/guids/"+guid+"/ids", "", http.StatusOK); body != `[{"context":".","id":1}]` {
		t.Errorf("ids of guid %s: %s", guid, body)
	}
	if body := request(t, http.MethodGet, url+"/schemas/guids/"+guid, "", http.StatusOK); !strings.Contains(body, `\"Same\"`) {
		t.Errorf("schema of guid %s: %s", guid, body)
	}
	if body := request(t, http.MethodGet, url+"/schemas/ids/1?fetchMaxId=true", "", http.StatusOK); !strings.Contains(body, `"maxId":2`) {
		t.Errorf("highest id: %s", body)
	}
}

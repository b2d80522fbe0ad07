package serve

import (
	"bytes"
	"html/template"
	"net/http"

	"github.com/go-chi/chi/v5"

	"tributary/serve/catalog"
	"tributary/serve/rest"
)

const landing = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{{.Mesh.Name}} · Tributary</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem}code{background:#8882;padding:.1em .3em;border-radius:.2em}</style>
<h1>{{.Mesh.Name}}</h1>
<p>GraphQL is at <code>POST /graphql</code>, REST under <code>/v1</code>.
See <a href="/v1/_status">status</a>, <a href="/openapi.json">OpenAPI</a>, <a href="/readyz">readiness</a>.</p>
<ul>
{{range .Entities}}<li><a href="/v1/{{.Path}}?first=10">{{.List}}</a>{{with .Description}}: {{.}}{{end}}</li>
{{else}}<li>The mesh has no entities yet.</li>
{{end}}</ul>
</html>
`

// mountPages adds all that is neither GraphQL nor REST about entities.
func mountPages(r chi.Router, c *catalog.Catalog, openapi []byte, ready func() error) error {
	var page bytes.Buffer
	t, err := template.New("landing").Parse(landing)
	if err == nil {
		err = t.Execute(&page, c)
	}
	if err != nil {
		return err
	}
	fixed := func(path, contentType string, body []byte) {
		h := func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.Header().Set("Cache-Control", "no-cache")
			_, _ = w.Write(body) // a client that is gone needs no answer
		}
		r.Get(path, h)
		r.Head(path, h)
	}
	fixed("/", "text/html; charset=utf-8", page.Bytes())
	fixed("/openapi.json", "application/json", openapi)
	fixed("/healthz", "text/plain; charset=utf-8", []byte("ok\n"))
	readyz := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if err := ready(); err != nil {
			http.Error(w, "not ready: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ready\n"))
	}
	r.Get("/readyz", readyz)
	r.Head("/readyz", readyz)
	r.NotFound(func(w http.ResponseWriter, _ *http.Request) {
		rest.WriteProblem(w, rest.NotFound("There is nothing here: / lists what there is."))
	})
	r.MethodNotAllowed(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Allow", "GET, HEAD")
		rest.WriteProblem(w, &rest.Problem{
			Type: "urn:tributary:problem:method-not-allowed", Title: "Method not allowed", Status: http.StatusMethodNotAllowed,
			Detail: "This is read only: use GET or HEAD.",
		})
	})
	return nil
}

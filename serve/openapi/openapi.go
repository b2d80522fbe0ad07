// Package openapi describes the REST side of a mesh as an OpenAPI 3.1 document. In goes the
// manifest, out comes JSON whose members are in a fixed order, so that documents can be compared.
package openapi

import (
	"encoding/json"
	"fmt"
	"strings"

	"tributary/mesh"
	"tributary/serve/catalog"
	"tributary/serve/freshness"
	"tributary/serve/paging"
	"tributary/sinks/views"
)

type object = map[string]any

// OpenAPI gives the document of a mesh.
func OpenAPI(m *mesh.Mesh) ([]byte, error) {
	c, err := catalog.New(m)
	if err != nil {
		return nil, err
	}
	return Of(c)
}

// Of gives the document of a catalog.
func Of(c *catalog.Catalog) ([]byte, error) {
	paths, schemas := object{}, sharedSchemas()
	for _, e := range c.Entities {
		paths["/v1/"+e.Path] = object{"get": listOperation(e)}
		paths["/v1/"+e.Path+"/{id}"] = object{"get": oneOperation(e)}
		schemas[e.Type] = entitySchema(e)
		schemas[e.Type+"Page"] = pageSchema(e)
	}
	paths["/v1/_status"] = object{"get": object{
		"operationId": "status", "summary": "What streams and views are doing", "tags": []string{"status"},
		"responses": object{"200": jsonResponse("The state of streams and views", ref("Status"), nil), "default": refTo("responses", "Problem")},
	}}
	paths["/v1/_why/{entity}/{id}"] = object{"get": whyOperation(c)}
	addWhySchemas(schemas)
	doc := object{
		"openapi": "3.1.0",
		"info": object{
			"title": c.Mesh.Name, "version": "v1",
			"description": "The views of the mesh " + c.Mesh.Name + ". Every answer about an entity tells its freshness in the headers Tributary-State and Tributary-Staleness.",
		},
		"servers": []object{{"url": "/"}},
		"paths":   paths,
		"components": object{
			"schemas": schemas, "parameters": sharedParameters(), "headers": sharedHeaders(),
			"responses": object{
				"Problem":     object{"description": "What was wrong, and what to do (RFC 9457)", "content": object{"application/problem+json": object{"schema": ref("Problem")}}},
				"NotModified": object{"description": "The client has it already", "headers": freshnessHeaders()},
			},
		},
	}
	return json.MarshalIndent(doc, "", "  ")
}

func ref(schema string) object           { return refTo("schemas", schema) }
func refTo(kind, name string) object     { return object{"$ref": "#/components/" + kind + "/" + name} }
func parameter(name string) object       { return refTo("parameters", name) }
func oneOf(values ...string) object      { return object{"type": "string", "enum": values} }
func text(description string) object     { return object{"type": "string", "description": description} }
func nullable(schema object) object      { return object{"anyOf": []object{schema, {"type": "null"}}} }
func arrayOf(items object) object        { return object{"type": "array", "items": items} }
func formatted(kind, form string) object { return object{"type": kind, "format": form} }

func freshnessHeaders() object {
	return object{"Tributary-State": refTo("headers", "State"), "Tributary-Staleness": refTo("headers", "Staleness")}
}

func jsonResponse(description string, schema, headers object) object {
	r := object{"description": description, "content": object{"application/json": object{"schema": schema}}}
	if headers != nil {
		headers["ETag"] = refTo("headers", "ETag")
		r["headers"] = headers
	}
	return r
}

func responses(description string, schema object) object {
	return object{
		"200": jsonResponse(description, schema, freshnessHeaders()),
		"304": refTo("responses", "NotModified"), "400": refTo("responses", "Problem"),
		"404": refTo("responses", "Problem"), "default": refTo("responses", "Problem"),
	}
}

func oneOperation(e *catalog.Entity) object {
	return object{
		"operationId": "get" + e.Type, "summary": "One " + e.Single + " by its " + e.Key.Name, "tags": []string{e.Single},
		"parameters": []object{
			{"name": "id", "in": "path", "required": true, "description": "The " + e.Key.Name, "schema": argument(e.Key.Type)},
			parameter("fields"), parameter("include"), parameter("locale"),
		},
		"responses": responses("The "+e.Single, ref(e.Type)),
	}
}

func listOperation(e *catalog.Entity) object {
	params := []object{parameter("first"), parameter("after"), sortParameter(e), parameter("fields"), parameter("include"), parameter("locale")}
	for _, f := range e.Fields {
		params = append(params, filterParameters(f)...)
	}
	return object{
		"operationId": "list" + e.Type, "summary": "A page of " + e.List, "tags": []string{e.Single},
		"parameters": params, "responses": responses("A page of "+e.List, ref(e.Type+"Page")),
	}
}

func sortParameter(e *catalog.Entity) object {
	var values []string
	for _, f := range e.Fields {
		if f.Sortable() {
			values = append(values, f.Name, "-"+f.Name)
		}
	}
	return object{
		"name": "sort", "in": "query", "explode": false, "style": "form",
		"description": "Fields to sort by, - for falling; nulls last, ties by " + e.Key.Name,
		"schema":      object{"type": "array", "items": oneOf(values...)},
	}
}

func filterParameters(f *catalog.Field) []object {
	var out []object
	for _, o := range f.Operators() {
		name, schema := "filter["+f.Name+"]["+o.Name+"]", argument(f.Type)
		switch o.Op {
		case views.Eq:
			name = "filter[" + f.Name + "]"
		case views.IsNull:
			schema = object{"type": "boolean"}
		case views.In:
			out = append(out, object{"name": name, "in": "query", "explode": false, "style": "form", "schema": arrayOf(schema)})
			continue
		}
		out = append(out, object{"name": name, "in": "query", "schema": schema})
	}
	return out
}

func pageSchema(e *catalog.Entity) object {
	return object{"type": "object", "required": []string{"items", "next"}, "properties": object{
		"items": arrayOf(ref(e.Type)),
		"next":  object{"type": []string{"string", "null"}, "description": "The cursor of the next page, for after"},
	}}
}

func entitySchema(e *catalog.Entity) object {
	properties := object{"_meta": ref("Meta")}
	for _, f := range e.Fields {
		schema := fieldSchema(e, f)
		if f.Description != "" {
			schema["description"] = f.Description
		}
		if f.Deprecated != "" {
			schema["deprecated"] = true
			schema["description"] = strings.TrimSpace(f.Description + " Deprecated: " + f.Deprecated)
		}
		properties[f.Name] = schema
	}
	out := object{"type": "object", "properties": properties}
	if e.Description != "" {
		out["description"] = e.Description
	}
	return out
}

// fieldSchema is the schema of a field in answers: null unless it is required, an object of all
// locales unless one is asked.
func fieldSchema(e *catalog.Entity, f *catalog.Field) object {
	schema := valueSchema(f.Type)
	if f.Localized {
		schema = object{"anyOf": []object{{"type": "object", "additionalProperties": schema}, schema}}
	}
	if f.Required || f == e.Key {
		return schema
	}
	return nullable(schema)
}

// valueSchema is the schema of a type's values in answers (architecture, section 8).
func valueSchema(t mesh.Type) object {
	switch t.Kind {
	case mesh.Int:
		return object{"type": []string{"integer", "string"}, "format": "int64", "description": "A string beyond 2^53"}
	case mesh.Float:
		return object{"anyOf": []object{{"type": "number"}, oneOf("NaN", "Infinity", "-Infinity")}}
	case mesh.Bool:
		return object{"type": "boolean"}
	case mesh.Decimal:
		return object{"type": "string", "format": "decimal", "description": fmt.Sprintf("A decimal of %d digits, %d behind the point", t.Precision, t.Scale)}
	case mesh.JSON:
		return object{"description": "Any JSON"}
	case mesh.List:
		return arrayOf(valueSchema(*t.Elem))
	}
	return argument(t)
}

// argument is the schema of a type's values in URLs.
func argument(t mesh.Type) object {
	switch t.Kind {
	case mesh.Int:
		return formatted("integer", "int64")
	case mesh.Float:
		return object{"type": "number"}
	case mesh.Bool:
		return object{"type": "boolean"}
	case mesh.Decimal:
		return formatted("string", "decimal")
	case mesh.Timestamp:
		return formatted("string", "date-time")
	case mesh.Date:
		return formatted("string", "date")
	case mesh.UUID:
		return formatted("string", "uuid")
	case mesh.Bytes:
		return object{"type": "string", "contentEncoding": "base64"}
	case mesh.Enum:
		return oneOf(t.Symbols...)
	}
	return object{"type": "string"}
}

func stateNames() []string {
	var out []string
	for _, s := range freshness.States() {
		out = append(out, s.String())
	}
	return out
}

func sharedParameters() object {
	query := func(name, description string, schema object) object {
		return object{"name": name, "in": "query", "description": description, "schema": schema}
	}
	fields := query("fields", "Only these fields", arrayOf(object{"type": "string"}))
	fields["explode"], fields["style"] = false, "form"
	return object{
		"first":   query("first", "How many", object{"type": "integer", "minimum": 0, "maximum": paging.MaxFirst, "default": paging.DefaultFirst}),
		"after":   query("after", "The cursor next of the page before", object{"type": "string"}),
		"fields":  fields,
		"include": query("include", "provenance adds _meta", oneOf("provenance")),
		"locale":  query("locale", "The locale of localized fields, * or none for all of them", object{"type": "string"}),
	}
}

func sharedHeaders() object {
	return object{
		"State":     object{"description": "How far the answer can be trusted", "required": true, "schema": oneOf(stateNames()...)},
		"Staleness": object{"description": "Milliseconds since the time through which all changes are in the answer; absent when unknown", "schema": formatted("integer", "int64")},
		"ETag":      object{"description": "For If-None-Match", "schema": object{"type": "string"}},
	}
}

package oracle

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"time"

	"tributary/examples/acme"
)

// page is how many entities one request asks for: the most that the gateway gives.
const page = 1000

// A kind is what an entity is called in paths, and the field that holds its id.
type kind struct{ plural, key string }

func kinds() map[string]kind {
	return map[string]kind{
		"product": {"products", "sku"}, "variant": {"variants", "sku"}, "price": {"prices", "id"},
		"customer": {"customers", "id"}, "order": {"orders", "id"}, "line": {"lines", "id"},
	}
}

// Compare reads every view from the gateway (http://host:port) and gives a sentence for each
// difference from what the databases say; none means that they agree. The databases must be at
// rest, but the views may still be under way: ask again until it is silent or time is up.
func Compare(ctx context.Context, client *http.Client, gateway string, db acme.Databases) ([]string, error) {
	views, err := Expected(ctx, db)
	if err != nil {
		return nil, err
	}
	var differences []string
	for _, entity := range slices.Sorted(maps.Keys(kinds())) {
		got, err := Read(ctx, client, gateway, kinds()[entity].plural)
		if err != nil {
			return nil, fmt.Errorf("read view %s: %w", entity, err)
		}
		found, err := views.Diff(entity, got)
		if err != nil {
			return nil, err
		}
		differences = append(differences, found...)
	}
	return differences, nil
}

// Read gives all items of a view, page by page, as the gateway's REST lists them.
func Read(ctx context.Context, client *http.Client, gateway, plural string) ([]json.RawMessage, error) {
	var items []json.RawMessage
	after := ""
	for {
		query := url.Values{"first": {fmt.Sprint(page)}}
		if after != "" {
			query.Set("after", after)
		}
		answer, err := get(ctx, client, gateway+"/v1/"+plural+"?"+query.Encode())
		if err != nil {
			return nil, err
		}
		var list struct {
			Items []json.RawMessage `json:"items"`
			Next  *string           `json:"next"`
		}
		if err := json.Unmarshal(answer, &list); err != nil {
			return nil, fmt.Errorf("the list of %s behind %q: %w", plural, after, err)
		}
		items = append(items, list.Items...)
		if list.Next == nil {
			return items, nil
		}
		if *list.Next == after {
			return nil, fmt.Errorf("the list of %s does not get beyond cursor %q", plural, after)
		}
		after = *list.Next
	}
}

func get(ctx context.Context, client *http.Client, url string) (body []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if body, err = io.ReadAll(answer.Body); err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s: %.300s", url, answer.Status, body)
	}
	return body, nil
}

// Diff holds the items of an entity, as REST gives them, against the expected view and gives a
// sentence for each difference, in the order of ids. Members that begin with "_" do not count.
func (v Views) Diff(entity string, items []json.RawMessage) ([]string, error) {
	want := maps.Clone(v[entity])
	key := kinds()[entity].key
	found := map[string][]string{}
	for _, item := range items {
		got, err := decode(item)
		if err != nil {
			return nil, fmt.Errorf("an item of %s: %w: %.300s", entity, err, item)
		}
		id := fmt.Sprint(got[key])
		expected, ok := want[id]
		switch {
		case ok:
			found[id] = differences(expected, got)
			delete(want, id)
		case v[entity][id] != nil:
			found[id] = append(found[id], "is there twice")
		default:
			found[id] = []string{"is there and should not be"}
		}
	}
	for id := range want {
		found[id] = []string{"is missing"}
	}
	var out []string
	for _, id := range slices.Sorted(maps.Keys(found)) {
		for _, what := range found[id] {
			out = append(out, fmt.Sprintf("%s %s %s", entity, id, what))
		}
	}
	return out, nil
}

func decode(item json.RawMessage) (Fields, error) {
	decoder := json.NewDecoder(bytes.NewReader(item))
	decoder.UseNumber()
	var got Fields
	return got, decoder.Decode(&got)
}

func differences(want, got Fields) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(want)) {
		value, ok := got[name]
		if !ok {
			out = append(out, "has no field "+name)
		} else if !same(want[name], value) {
			out = append(out, fmt.Sprintf("has %s = %v, want %v", name, value, want[name]))
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok && name[0] != '_' {
			out = append(out, "has a field "+name+" that it should not have")
		}
	}
	return out
}

// same compares a value with JSON's: times by their instant, a localized field by its locales.
func same(want, got any) bool {
	switch want := want.(type) {
	case time.Time:
		text, ok := got.(string)
		at, err := time.Parse(time.RFC3339Nano, text)
		return ok && err == nil && at.Equal(want)
	case map[string]string:
		texts, ok := got.(map[string]any)
		return ok && maps.EqualFunc(want, texts, func(w string, g any) bool { return g == w })
	case nil:
		texts, ok := got.(map[string]any)
		return got == nil || ok && len(texts) == 0 // no locale at all
	}
	return reflect.DeepEqual(want, got)
}

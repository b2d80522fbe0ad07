package demo

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"tributary/node"
)

// announce shows that the mesh is ready, with commands to go on with.
func (d *demo) announce(ctx context.Context, line string, a node.Addrs) error {
	sku, err := specimen(ctx, a.Gateway)
	if err != nil {
		return fmt.Errorf("find a product to show: %w", err)
	}
	d.tell(event{Kind: kindReady, Text: line, Ready: &announcement{Addrs: addresses(a), Took: time.Since(d.begun), Commands: d.commands(a, sku)}})
	return nil
}

// specimen gives the id of a product that tells something: the seed sets ERP and PIM at odds about
// the brand of every 97th and the name of every 61st. A run before may have dropped any of them.
func specimen(ctx context.Context, gateway string) (string, error) {
	client := &http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	for _, n := range []int{97, 194, 61, 122} {
		sku := fmt.Sprintf("SKU-%d", 100_000+n)
		var product struct{ SKU string }
		if found, err := get(ctx, client, gateway+"/v1/products/"+sku, &product); err != nil || found {
			return sku, err
		}
	}
	var list struct{ Items []struct{ SKU string } }
	if _, err := get(ctx, client, gateway+"/v1/products?first=1", &list); err != nil {
		return "", err
	}
	if len(list.Items) == 0 {
		return "SKU-100001", nil
	}
	return list.Items[0].SKU, nil
}

const exampleQuery = `
  { product(sku: "%s") { sku name price currency brand stock
      variants(first: 2) { sku colour size } prices { market amount currency }
      _meta { state stalenessMs fields(names: ["price", "brand"]) { name stream sourceKey rule conflict } } } }`

const exampleSQL = `
  SELECT entity, field, count() AS changes, round(quantile(0.5)(delay_ms)) AS median_delay_ms FROM changes
  WHERE source_time > now() - INTERVAL 5 MINUTE GROUP BY ALL ORDER BY changes DESC LIMIT 8
  FORMAT PrettyCompactMonoBlock`

// commands are what to try first, each ready for a shell.
func (d *demo) commands(a node.Addrs, sku string) []command {
	list := []command{
		{"A product with its variants and prices, and how fresh it is (GraphQL)",
			"curl -sG " + a.Gateway + "/graphql --data-urlencode query=" + quoted(fmt.Sprintf(exampleQuery, sku))},
		{"The dearest jackets; the headers say how stale the answer can be (REST)",
			"curl -sgi " + quoted(a.Gateway+"/v1/products?filter[name][contains]=jacke&locale=de&sort=-price&first=3")},
		{"Why this value?",
			d.Program + " why product " + sku + " brand --data " + shorter(d.path(meshName))},
	}
	if u, err := url.Parse(a.ClickHouse); err == nil && d.engine && u.Host != "" {
		list = append(list, command{"What changed most, and how long it took from the commit to here (ClickHouse)",
			"curl -s " + quoted(a.ClickHouse+"/?database="+d.mesh.Name) + " --data-binary " + quoted(exampleSQL)})
	}
	return list
}

// quoted makes one word of a text for a POSIX shell.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// shorter is a path relative to the working folder where that is shorter to read.
func shorter(path string) string {
	wd, err := filepath.Abs(".")
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(wd, path); err == nil && !strings.HasPrefix(rel, "..") {
		return rel
	}
	return path
}

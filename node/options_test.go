package node_test

import (
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"tributary/mesh"
	"tributary/node"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// parsed reads a manifest of a header alone.
func parsed(t *testing.T, header string) *mesh.Mesh {
	t.Helper()
	env := func(name string) (string, bool) { return "hunter2", name == "PASSWORD" }
	m, err := mesh.Parse([]mesh.File{{Name: "mesh.yaml", Text: []byte("apiVersion: tributary/v1\nmesh: acme\n" + header)}}, env)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestOptionsTellEveryFault(t *testing.T) {
	kafka := "kafka: { bootstrap: kafka.example:9092 }\n"
	for name, c := range map[string]struct {
		options node.Options
		want    []string
	}{
		"fine":                        {node.Options{Mesh: parsed(t, ""), DataDir: "d"}, nil},
		"nothing":                     {node.Options{}, []string{"no data folder", "no manifest"}},
		"roles apart on Kafka":        {node.Options{Mesh: parsed(t, kafka), DataDir: "d", Roles: []node.Role{node.Serve}}, nil},
		"roles apart on the embedded": {node.Options{Mesh: parsed(t, ""), DataDir: "d", Roles: []node.Role{node.Serve}}, []string{"kafka.bootstrap"}},
		"views elsewhere, and no folder": {node.Options{Mesh: parsed(t, "views: { store: \"postgres://me:${PASSWORD}@db/views\" }\n")},
			[]string{"no data folder", "views.store", "set it to sqlite"}},
	} {
		c.options.EnsureDefaults()
		err := c.options.Validate()
		if (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q in it", name, err, want)
			}
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error tells a secret: %v", name, err) // I11
		}
	}
}

func TestDoctorTellsWhatNoStartWouldTake(t *testing.T) {
	o := node.Options{Mesh: parsed(t, "views: { store: \"postgres://db/views\" }\nanalytics: none\n"), DataDir: t.TempDir(),
		Addrs: node.Addrs{Gateway: "127.0.0.1:0", Registry: "127.0.0.1:0", Admin: "127.0.0.1:0", Kafka: "127.0.0.1:0"}}
	for _, f := range node.Doctor(t.Context(), o) {
		if f.Level == "fail" && strings.Contains(f.Text, "views.store") {
			return
		}
	}
	t.Error("doctor finds nothing wrong with a store that no process starts with")
}

// Flags win over the manifest, which wins over the documented ports.
func TestAddressesByRank(t *testing.T) {
	o := node.Options{Mesh: parsed(t, "addrs: { gateway: \"10.0.0.1:80\", admin: \"10.0.0.1:82\" }\n"), Addrs: node.Addrs{Gateway: "127.0.0.1:0"}}
	o.EnsureDefaults()
	want := node.DefaultAddrs
	want.Gateway, want.Admin = "127.0.0.1:0", "10.0.0.1:82"
	if o.Addrs != want {
		t.Errorf("addresses %+v, want %+v", o.Addrs, want)
	}
}

func TestParseRoles(t *testing.T) {
	if got, err := node.ParseRoles("serve, ingest"); err != nil || !slices.Equal(got, []node.Role{node.Serve, node.Ingest}) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := node.ParseRoles("serve,gateway"); err == nil || !strings.Contains(err.Error(), `"gateway"`) || !strings.Contains(err.Error(), "sink") {
		t.Errorf("an unknown role: %v", err)
	}
}

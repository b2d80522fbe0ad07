// Package compose_test holds docker-compose.yml against the loader that Docker Compose uses, since
// no Docker engine may be there to try it.
package compose_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"go.uber.org/goleak"

	"tributary/internal/tools"
	"tributary/mesh"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func root(t *testing.T) string {
	t.Helper()
	dir, err := tools.Root()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func load(t *testing.T, env map[string]string) (*types.Project, error) {
	t.Helper()
	return loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir:  root(t),
		ConfigFiles: []types.ConfigFile{{Filename: filepath.Join(root(t), "docker-compose.yml")}},
		Environment: env,
	})
}

// secrets is new each time: the loader adds to the map it is given.
func secrets() map[string]string {
	return map[string]string{"POSTGRES_PASSWORD": "Pg7xQ", "CLICKHOUSE_PASSWORD": "Ch9yR"}
}

func TestServices(t *testing.T) {
	project, err := load(t, secrets())
	if err != nil {
		t.Fatal(err)
	}
	names := project.ServiceNames()
	slices.Sort(names)
	if want := []string{"clickhouse", "kafka", "postgres", "tributary"}; !slices.Equal(names, want) {
		t.Errorf("services %v, want %v", names, want)
	}
	for name, service := range project.Services {
		if service.HealthCheck == nil || service.HealthCheck.Disable {
			t.Errorf("service %s has no healthcheck", name)
		}
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("service %s publishes port %d on %q; bind it to 127.0.0.1", name, port.Target, port.HostIP)
			}
		}
		if service.Build == nil && (!strings.Contains(service.Image, ":") || strings.HasSuffix(service.Image, ":latest")) {
			t.Errorf("service %s takes image %s; pin its version", name, service.Image)
		}
		if !slices.ContainsFunc(service.Volumes, func(v types.ServiceVolumeConfig) bool { return v.Type == types.VolumeTypeVolume }) {
			t.Errorf("service %s keeps its state in no volume", name)
		}
		for _, volume := range service.Volumes {
			if volume.Type == types.VolumeTypeBind {
				if _, err := os.Stat(volume.Source); err != nil {
					t.Errorf("service %s mounts a folder that is not there: %v", name, err)
				}
			}
		}
	}
	for name, dependency := range project.Services["tributary"].DependsOn {
		if dependency.Condition != types.ServiceConditionHealthy {
			t.Errorf("tributary waits for %s to be %s; want service_healthy", name, dependency.Condition)
		}
	}
}

func TestSecretsAreReferences(t *testing.T) {
	for missing := range secrets() {
		env := secrets()
		delete(env, missing)
		if _, err := load(t, env); err == nil || !strings.Contains(err.Error(), missing) {
			t.Errorf("without %s: %v, want an error that names it", missing, err)
		}
	}
	text, err := os.ReadFile(filepath.Join(root(t), "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		if strings.Contains(line, "PASSWORD:") && !strings.Contains(line, "${") {
			t.Errorf("a password is written out: %s", strings.TrimSpace(line))
		}
	}
}

// TestMeshMeetsTheServices loads the manifest with the environment that the service is given.
func TestMeshMeetsTheServices(t *testing.T) {
	project, err := load(t, secrets())
	if err != nil {
		t.Fatal(err)
	}
	environment := project.Services["tributary"].Environment
	m, err := mesh.Load([]string{filepath.Join(root(t), "deploy/compose/mesh")}, func(name string) (string, bool) {
		value := environment[name]
		if value == nil {
			return "", false
		}
		return *value, true
	})
	if err != nil {
		t.Fatal(err)
	}
	hosts := project.ServiceNames()
	host, _, _ := strings.Cut(m.Kafka.Bootstrap, ":")
	if !slices.Contains(hosts, host) {
		t.Errorf("the manifest names Kafka at %s; the services are %v", m.Kafka.Bootstrap, hosts)
	}
	for what, url := range map[string]string{"connection of shop": m.Systems[0].Connection.Reveal(), "analytics": m.Analytics.ClickHouse.Reveal()} {
		if !slices.ContainsFunc(hosts, func(h string) bool { return strings.Contains(url, "@"+h+":") }) {
			t.Errorf("the %s leads to no service of docker-compose.yml", what)
		}
	}
}

// TestDockerfile holds what a reader must be able to rely on.
func TestDockerfile(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root(t), "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"CGO_ENABLED=0", "\nUSER 10001\n", "\nHEALTHCHECK ", "\nVOLUME /data\n", "\nENTRYPOINT [\"tributary\"]\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the Dockerfile lacks %q", strings.TrimSpace(want))
		}
	}
}

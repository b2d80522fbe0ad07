package registry

import (
	"context"
	"net"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"tributary/schemas/registry/conformance"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startBroker runs the product's embedded broker on a data folder.
func startBroker(t *testing.T, dir string) (opts []kgo.Opt, stop func()) {
	opts, _, stop = startBrokerAt(t, dir, 0)
	return opts, stop
}

func startBrokerAt(t *testing.T, dir string, port int) (opts []kgo.Opt, addr string, stop func()) {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.DataDir(dir), kfake.Ports(port))
	if err != nil {
		t.Fatal(err)
	}
	addr = c.ListenAddrs()[0]
	return []kgo.Opt{kgo.SeedBrokers(addr)}, addr, c.Close
}

// restartBroker starts a broker again where it was, on the same address and data folder.
func restartBroker(t *testing.T, dir string, addr string) (stop func()) {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	_, _, stop = startBrokerAt(t, dir, n)
	return stop
}

// startServer opens a registry and follows its topic until stop is called.
func startServer(t *testing.T, brokers []kgo.Opt) (s *Server, url string, stop func()) {
	t.Helper()
	s, err := Open(t.Context(), brokers, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	web := httptest.NewServer(s.Handler())
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		web.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return s, web.URL, stop
}

func TestConformance(t *testing.T) {
	brokers, stop := startBroker(t, t.TempDir())
	t.Cleanup(stop)
	_, url, _ := startServer(t, brokers)
	conformance.Run(t, url)
}

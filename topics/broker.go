package topics

import (
	"context"
	"fmt"
	"net"
	"path/filepath"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kfake"
)

// A Broker is the embedded Kafka broker: kfake with a data folder. It is durable against the
// death of the process, not against power loss.
type Broker struct {
	cluster *kfake.Cluster
	addr    string
}

// StartBroker starts the broker on addr (host:port, port 0 for any free one) over the folder dir,
// where it finds what an earlier one wrote. Transactions that a killed predecessor left half
// done are ended first, all partitions alike.
func StartBroker(dir, addr string, log zerolog.Logger) (*Broker, error) {
	if err := repairTransactions(dir, log); err != nil {
		return nil, fmt.Errorf("embedded broker: repair %s: %w", dir, err)
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("embedded broker: %w: is another Tributary or Kafka running? choose another with --kafka-addr", err)
	}
	cluster, err := kfake.NewCluster(
		kfake.NumBrokers(1),
		kfake.ListenFn(func(string, string) (net.Listener, error) { return ln, nil }),
		kfake.DataDir(filepath.Clean(dir)),
		kfake.DefaultNumPartitions(4),
		kfake.BrokerConfigs(map[string]string{
			// kfake compacts in its request loop and ignores open transactions: its ticker must
			// never run; Compact of this package does it behind a gate.
			"log.cleaner.backoff.ms":               "9000000000000",
			"group.initial.rebalance.delay.ms":     "0",
			"transactional.id.expiration.ms":       "2147483647",
			"offsets.retention.minutes":            "2147483647",
			"transaction.max.timeout.ms":           "900000",
			"group.consumer.heartbeat.interval.ms": "1000",
		}),
		kfake.GroupMinSessionTimeout(0),
		kfake.WithLogger(brokerLog{log}))
	if err != nil {
		ln.Close()
		return nil, fmt.Errorf("embedded broker over %s: %w", dir, err)
	}
	return &Broker{cluster: cluster, addr: ln.Addr().String()}, nil
}

// Addr is where the broker listens.
func (b *Broker) Addr() string { return b.addr }

// Run keeps the broker until ctx ends, then writes its state and closes it.
func (b *Broker) Run(ctx context.Context) error {
	<-ctx.Done()
	b.cluster.Close()
	return ctx.Err()
}

// Close stops the broker.
func (b *Broker) Close() { b.cluster.Close() }

// brokerLog passes on what operators should see.
type brokerLog struct{ log zerolog.Logger }

func (l brokerLog) Logf(level kfake.LogLevel, format string, args ...any) {
	switch level {
	case kfake.LogLevelError:
		l.log.Error().Str("stage", "broker").Msgf(format, args...)
	case kfake.LogLevelWarn:
		l.log.Debug().Str("stage", "broker").Msgf(format, args...)
	}
}

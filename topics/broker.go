package topics

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kfake"
)

// A Broker is the embedded Kafka broker: kfake with a data folder. It is durable against the
// death of the process, not against power loss.
type Broker struct {
	cluster *kfake.Cluster
	addr    string
	dir     string
	found   map[string]*logTail // by partition's folder: what was there at the start
	ln      net.Listener
	failed  chan error // holds the first write that failed
}

// StartBroker starts the broker on addr (host:port, port 0 for any free one) over the folder dir,
// where it finds what an earlier one wrote. Transactions that a killed predecessor left half
// done are ended first, all partitions alike, and compacted partitions are rewritten where more
// than half of their records, and more than a million, are dead.
func StartBroker(dir, addr string, log zerolog.Logger) (*Broker, error) {
	found, err := prepareFolder(dir, log)
	if err != nil {
		return nil, fmt.Errorf("embedded broker: repair %s: %w", dir, err)
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("embedded broker: %w: choose another address with --kafka-addr", err)
	}
	b := &Broker{addr: ln.Addr().String(), dir: dir, found: found, ln: ln, failed: make(chan error, 1)}
	made := make(chan error, 1)
	go func() {
		var err error
		b.cluster, err = kfake.NewCluster(b.options(log)...)
		made <- err
	}()
	select {
	case err = <-made:
	case err = <-b.failed: // it stays in its first write for ever: the process is to end
	}
	if err != nil {
		ln.Close()
		return nil, fmt.Errorf("embedded broker over %s: %w", dir, err)
	}
	return b, nil
}

func (b *Broker) options(log zerolog.Logger) []kfake.Opt {
	return []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.ListenFn(func(string, string) (net.Listener, error) { return b.ln, nil }),
		kfake.DataDir(filepath.Clean(b.dir)),
		kfake.DefaultNumPartitions(4),
		kfake.BrokerConfigs(map[string]string{
			// kfake compacts in its request loop and ignores open transactions: its ticker must
			// never run. This package does it before a start, and Tidy for what grows fastest.
			"log.cleaner.backoff.ms":               "9000000000000",
			"group.initial.rebalance.delay.ms":     "0",
			"transactional.id.expiration.ms":       "2147483647",
			"offsets.retention.minutes":            "2147483647",
			"transaction.max.timeout.ms":           "900000",
			"group.consumer.heartbeat.interval.ms": "1000",
		}),
		kfake.GroupMinSessionTimeout(0),
		kfake.WithLogger(brokerLog{log, b.failed}),
	}
}

// prepareFolder repairs and compacts a data folder, and gives the tails of its partitions.
func prepareFolder(dir string, log zerolog.Logger) (map[string]*logTail, error) {
	c := &compactor{dir: dir, log: log, now: time.Now(), runSize: runSize}
	if err := c.recover(); err != nil {
		return nil, err
	}
	tails, err := repairTransactions(dir, log)
	if err != nil {
		return nil, err
	}
	done, err := c.run()
	if err != nil { // a disk that is full, say: the broker does without, if all is in its place
		log.Error().Err(err).Str("stage", "broker").Msg("compaction failed; the broker starts without")
		if err := c.recover(); err != nil {
			return nil, err
		}
	}
	found := map[string]*logTail{}
	for _, t := range tails {
		found[filepath.Base(t.dir)] = t
	}
	for _, d := range done {
		name := partitionFolder(d.Topic, d.Partition)
		if found[name], err = readTail(c.live(name)); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// Records is how many records, live and dead, the broker holds: those that it found, and what was
// appended since; control records that were appended since are counted, too.
func (b *Broker) Records() (n int64, err error) {
	entries, err := os.ReadDir(filepath.Join(b.dir, "partitions"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, err
	}
	for _, e := range entries {
		topic, partition, ok := partitionOf(e.Name())
		if !ok {
			continue
		}
		p := b.cluster.PartitionInfo(topic, partition)
		if p == nil {
			continue
		}
		t := b.found[e.Name()]
		if t == nil {
			t = &logTail{}
		}
		if p.LogStartOffset >= t.next {
			n += p.HighWatermark - p.LogStartOffset
			continue
		}
		n += t.records - min(t.records, p.LogStartOffset-min(p.LogStartOffset, t.start)) + p.HighWatermark - t.next
	}
	return n, nil
}

// partitionFolder is the name of a partition's folder, as kfake's partDir gives it.
func partitionFolder(topic string, p int32) string {
	return url.PathEscape(topic) + "-" + strconv.Itoa(int(p))
}

func partitionOf(folder string) (topic string, p int32, ok bool) {
	i := strings.LastIndexByte(folder, '-')
	if i < 0 {
		return "", 0, false
	}
	n, err := strconv.ParseInt(folder[i+1:], 10, 32)
	topic, bad := url.PathUnescape(folder[:i])
	return topic, int32(n), err == nil && bad == nil
}

// Addr is where the broker listens.
func (b *Broker) Addr() string { return b.addr }

// Failed gives the error of the first write that the disk refused. From then on the broker answers
// nothing: the process is to end, without Close, and the next one goes on from what was
// acknowledged.
func (b *Broker) Failed() <-chan error { return b.failed }

// Abandon lets go of the broker as a kill would: nothing more is written.
func (b *Broker) Abandon() { b.ln.Close() }

// Close stops the broker.
func (b *Broker) Close() { b.cluster.Close() }

// brokerLog passes on what operators should see, and notices writes that failed.
type brokerLog struct {
	log    zerolog.Logger
	failed chan<- error
}

// Logf implements kfake.Logger. kfake logs a write that failed and goes on; where the write was a
// transaction's marker, it would then acknowledge a commit that a restart takes back (I1). It logs
// from the one goroutine that answers requests, so not returning is what keeps it from answering.
func (l brokerLog) Logf(level kfake.LogLevel, format string, args ...any) {
	if level == kfake.LogLevelError || level == kfake.LogLevelWarn {
		if err := refusedWrite(args); err != nil {
			select {
			case l.failed <- fmt.Errorf("embedded broker: %w", err):
			default:
			}
			select {}
		}
	}
	switch level {
	case kfake.LogLevelError:
		l.log.Error().Str("stage", "broker").Msgf(format, args...)
	case kfake.LogLevelWarn:
		l.log.Debug().Str("stage", "broker").Msgf(format, args...)
	}
}

// refusedWrite finds the disk's refusal among what kfake logs: all its write errors come with the
// system's error number.
func refusedWrite(args []any) error {
	for _, a := range args {
		err, ok := a.(error)
		var number syscall.Errno
		if ok && errors.As(err, &number) && number != syscall.ENOENT {
			return err
		}
	}
	return nil
}

package topics

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"tributary/mesh"
)

// A Cluster is a Kafka cluster that clients can be made for. The embedded broker and any other
// are used through it alike.
type Cluster struct {
	bootstrap string
	opts      []kgo.Opt
	// gate is held shared by each transaction of this process, and whole by Tidy.
	gate sync.RWMutex
}

// Transaction is to be called before a transaction begins; what it gives, once that has ended.
// Between two transactions, an embedded broker's topics may be compacted.
func (c *Cluster) Transaction() (ended func()) {
	c.gate.RLock()
	return c.gate.RUnlock
}

// hold waits until every transaction of this process has ended and holds new ones back until open
// is called.
func (c *Cluster) hold() (open func()) {
	c.gate.Lock()
	return c.gate.Unlock
}

// NewCluster describes the cluster at bootstrap (host:port,host:port) with the credentials of k.
// It does not connect.
func NewCluster(k mesh.Kafka, bootstrap string) (*Cluster, error) {
	c := &Cluster{bootstrap: bootstrap, opts: []kgo.Opt{
		kgo.SeedBrokers(strings.Split(bootstrap, ",")...),
		kgo.ClientID("tributary"),
		kgo.MinVersions(kversion.V2_5_0()),
		kgo.RetryTimeout(20 * time.Second),
	}}
	if k.TLS {
		c.opts = append(c.opts, kgo.DialTLSConfig(&tls.Config{MinVersion: tls.VersionTLS12}))
	}
	mech, err := mechanism(k.SASL)
	if err != nil {
		return nil, err
	}
	if mech != nil {
		c.opts = append(c.opts, kgo.SASL(mech))
	}
	return c, nil
}

func mechanism(s mesh.SASL) (sasl.Mechanism, error) {
	user, pass := s.Username.Reveal(), s.Password.Reveal()
	switch s.Mechanism {
	case "":
		return nil, nil
	case "PLAIN":
		return plain.Auth{User: user, Pass: pass}.AsMechanism(), nil
	case "SCRAM-SHA-256":
		return scram.Auth{User: user, Pass: pass}.AsSha256Mechanism(), nil
	case "SCRAM-SHA-512":
		return scram.Auth{User: user, Pass: pass}.AsSha512Mechanism(), nil
	}
	return nil, fmt.Errorf("kafka.sasl.mechanism %q is unknown: use PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512", s.Mechanism)
}

// Bootstrap is the address that clients begin with.
func (c *Cluster) Bootstrap() string { return c.bootstrap }

// Options are the cluster's options followed by more.
func (c *Cluster) Options(more ...kgo.Opt) []kgo.Opt { return append(slices.Clone(c.opts), more...) }

// Client makes a client; the caller closes it.
func (c *Cluster) Client(more ...kgo.Opt) (*kgo.Client, error) {
	cl, err := kgo.NewClient(c.Options(more...)...)
	if err != nil {
		return nil, fmt.Errorf("kafka client for %s: %w", c.bootstrap, err)
	}
	return cl, nil
}

// LeaveGroup takes a named member out of a consumer group: closing its client does not.
func (c *Cluster) LeaveGroup(ctx context.Context, group, instance string) error {
	cl, err := c.Client()
	if err != nil {
		return err
	}
	defer cl.Close()
	if _, err := kadm.NewClient(cl).LeaveGroup(ctx, kadm.LeaveGroup(group).InstanceIDs(instance).Reason("the process ends")); err != nil {
		return fmt.Errorf("leave group %s: %w", group, err)
	}
	return nil
}

// MaxRecordBytes is the largest batch, hence record, that our topics take.
const MaxRecordBytes = 8 << 20

const maxBytes = "8388608"

// A Spec says how a topic is to be.
type Spec struct {
	Name       string
	Partitions int32
	Config     map[string]string
}

// Compacted is the spec of a compacted topic whose tombstones stay for maxOutage.
func Compacted(name string, partitions int32, maxOutage time.Duration) Spec {
	return Spec{Name: name, Partitions: partitions, Config: map[string]string{
		"cleanup.policy": "compact", "delete.retention.ms": millis(maxOutage), "max.message.bytes": maxBytes}}
}

// Deleted is the spec of a topic whose records go after retention.
func Deleted(name string, partitions int32, retention time.Duration) Spec {
	return Spec{Name: name, Partitions: partitions, Config: map[string]string{
		"cleanup.policy": "delete", "retention.ms": millis(retention), "max.message.bytes": maxBytes}}
}

func millis(d time.Duration) string { return fmt.Sprint(d.Milliseconds()) }

// Ensure creates the topics that are missing. It never changes one that is there; one with
// another number of partitions is an error, since keys would move.
func (c *Cluster) Ensure(ctx context.Context, specs []Spec) error {
	cl, err := c.Client()
	if err != nil {
		return err
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	names := make([]string, len(specs))
	for i, s := range specs {
		names[i] = s.Name
	}
	have, err := adm.ListTopics(ctx, names...)
	if err != nil {
		return fmt.Errorf("list topics at %s: %w", c.bootstrap, err)
	}
	var faults []error
	for _, s := range specs {
		if t, ok := have[s.Name]; ok && t.Err == nil {
			if n := int32(len(t.Partitions)); n != s.Partitions {
				faults = append(faults, fmt.Errorf("topic %s has %d partitions, the manifest asks for %d: keys would move; set topics.partitions to %d", s.Name, n, s.Partitions, n))
			}
			continue
		}
		faults = append(faults, create(ctx, adm, s))
	}
	return errors.Join(faults...)
}

func create(ctx context.Context, adm *kadm.Client, s Spec) error {
	config := make(map[string]*string, len(s.Config))
	for k := range maps.Keys(s.Config) {
		v := s.Config[k]
		config[k] = &v
	}
	_, err := adm.CreateTopic(ctx, s.Partitions, -1, config, s.Name)
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("create topic %s: %w", s.Name, err)
	}
	return nil
}

// Package placement decides which process captures which connection. In come the connections of
// a mesh, and each runs in one of the processes that have the role ingest: a consumer group on a
// topic without records, with a partition for each connection, hands them out and moves them when
// processes come and go. It keeps two processes from taking a connection from each other in turn;
// that nothing is written twice is the fence's affair (I14).
package placement

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/topics"
)

// A Capture captures one connection until ctx ends. Where it is about to take the connection from
// another process it calls owned first, whose error says that the connection is no longer placed
// here.
type Capture func(ctx context.Context, owned func(context.Context) error) error

// Config says what is placed.
type Config struct {
	Cluster  *topics.Cluster
	Names    topics.Names
	Instance string // of this process
	Log      zerolog.Logger
	// Captures are the mesh's connections by the names of their systems.
	Captures map[string]Capture
}

const (
	sessionTimeout = 10 * time.Second // of a process that is not heard of
	heartbeat      = time.Second
	leaveTimeout   = 2 * time.Second
)

// A place is this process's part of the connections.
type place struct {
	Config
	group string
	names []string // by partition

	mu      sync.Mutex // protects running: callbacks and the end of Run share it
	running map[int32]*running
}

type running struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// Run captures the connections that are placed in this process until ctx ends, and then lets
// others have them. A Kafka that is down ends captures; they go on with it.
func Run(ctx context.Context, cfg Config) error {
	p := &place{Config: cfg, group: string(cfg.Names) + ".ingest", names: slices.Sorted(maps.Keys(cfg.Captures)), running: map[int32]*running{}}
	if len(p.names) == 0 {
		<-ctx.Done()
		return ctx.Err()
	}
	cl, err := cfg.Cluster.Client(kgo.ConsumerGroup(p.group), kgo.InstanceID(cfg.Instance), kgo.ConsumeTopics(cfg.Names.Connections()),
		kgo.Balancers(kgo.CooperativeStickyBalancer()), kgo.SessionTimeout(sessionTimeout), kgo.HeartbeatInterval(heartbeat),
		kgo.DisableAutoCommit(), kgo.FetchMaxWait(5*time.Second),
		kgo.MetadataMaxAge(5*time.Second), kgo.MetadataMinAge(time.Second), // a new connection is seen soon
		kgo.OnPartitionsAssigned(func(_ context.Context, cl *kgo.Client, got map[string][]int32) { p.start(ctx, cl, got) }),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, lost map[string][]int32) { p.stop(lost) }),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, lost map[string][]int32) { p.stop(lost) }))
	if err != nil {
		return err
	}
	defer cl.Close()
	for ctx.Err() == nil {
		for _, e := range cl.PollFetches(ctx).Errors() {
			if ctx.Err() == nil {
				p.Log.Warn().Err(e.Err).Str("group", p.group).Msg("placement of connections interrupted")
			}
		}
	}
	p.stop(nil)
	p.leave(context.WithoutCancel(ctx))
	return ctx.Err()
}

// Ensure makes the topic that connections are placed by, with a partition for each. One that is
// new may be placed in a process whose manifest does not know it yet; it starts again anyway.
func Ensure(ctx context.Context, cluster *topics.Cluster, names topics.Names, connections int) error {
	if connections == 0 {
		return nil
	}
	cl, err := cluster.Client()
	if err != nil {
		return err
	}
	defer cl.Close()
	adm, topic := kadm.NewClient(cl), names.Connections()
	_, err = adm.CreateTopic(ctx, int32(connections), -1, nil, topic)
	if err == nil {
		return nil
	}
	if !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("create topic %s: %w", topic, err)
	}
	found, err := adm.ListTopics(ctx, topic)
	if err == nil {
		err = found.Error()
	}
	if err != nil {
		return fmt.Errorf("describe topic %s: %w", topic, err)
	}
	if len(found[topic].Partitions) >= connections {
		return nil // what has no connection any more places nothing
	}
	grown, err := adm.UpdatePartitions(ctx, connections, topic)
	if err == nil {
		err = grown.Error()
	}
	if err != nil && !errors.Is(err, kerr.InvalidPartitions) { // another process was faster
		return fmt.Errorf("add partitions to topic %s: %w", topic, err)
	}
	return nil
}

// start begins the captures of partitions that came.
func (p *place) start(ctx context.Context, cl *kgo.Client, got map[string][]int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, partition := range got[p.Names.Connections()] {
		if int(partition) >= len(p.names) || p.running[partition] != nil || ctx.Err() != nil {
			continue
		}
		name := p.names[partition]
		p.Log.Info().Str("system", name).Msg("this process captures the system")
		own, cancel := context.WithCancel(ctx)
		r := &running{cancel, make(chan struct{})}
		p.running[partition] = r
		go func() {
			defer close(r.done)
			if err := p.Captures[name](own, func(ctx context.Context) error { return p.owned(ctx, cl) }); err != nil && own.Err() == nil {
				p.Log.Error().Err(err).Str("system", name).Msg("capture ended")
			}
		}()
	}
}

// stop ends the captures of partitions that went, nil: all, and waits for them.
func (p *place) stop(lost map[string][]int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var ending []*running
	for partition, r := range p.running {
		if lost == nil || slices.Contains(lost[p.Names.Connections()], partition) {
			r.cancel()
			ending = append(ending, r)
			delete(p.running, partition)
		}
	}
	for _, r := range ending {
		<-r.done
	}
}

// owned asks the group whether this process is still in it: one that slept too long is not, and
// must not take connections back from those who have them now.
func (p *place) owned(ctx context.Context, cl *kgo.Client) error {
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group, req.InstanceID = p.group, &p.Instance
	req.MemberID, req.Generation = cl.GroupMetadata()
	resp, err := req.RequestWith(ctx, cl)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if err != nil && !errors.Is(err, kerr.RebalanceInProgress) {
		return fmt.Errorf("is the connection still placed here: %w", err)
	}
	return nil
}

// leave lets others have the connections at once.
func (p *place) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	if err := p.Cluster.LeaveGroup(ctx, p.group, p.Instance); err != nil { // the group will notice by itself
		p.Log.Debug().Err(err).Msg("leaving the group failed")
	}
}

package node

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"tributary/mesh"
	"tributary/processors/normalize"
	"tributary/schemas/registry"
	"tributary/topics"
)

// An Operator asks a running mesh to do something, from another process. It never writes data:
// the owners of connections and partitions do what it asks.
type Operator struct {
	mesh     *mesh.Mesh
	names    topics.Names
	cluster  *topics.Cluster
	registry *registry.Client
	keys     map[int]*normalize.KeyReader // of raw keys, by schema id
}

// Connect reaches the mesh of a manifest: by the process over the data folder dir where the
// broker or the registry is embedded, else where the manifest says.
func Connect(m *mesh.Mesh, dir string) (*Operator, error) {
	kafka, url := m.Kafka.Bootstrap, m.Registry.URL
	if kafka == mesh.Embedded || url == mesh.Embedded {
		running, ok, err := FindRunning(dir)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, fmt.Errorf("no mesh runs over the data folder %s: start it with tributary up, or name its folder with --data", dir)
		}
		if running.Mesh != m.Name {
			return nil, fmt.Errorf("over the data folder %s runs the mesh %s, not %s: name the other's folder with --data", dir, running.Mesh, m.Name)
		}
		if kafka == mesh.Embedded {
			kafka = running.Addrs.Kafka
		}
		if url == mesh.Embedded {
			url = running.Addrs.Registry
		}
	}
	o := &Operator{mesh: m, names: topics.Names(m.Name), keys: map[int]*normalize.KeyReader{}}
	var err error
	if o.cluster, err = topics.NewCluster(m.Kafka, kafka); err != nil {
		return nil, err
	}
	o.registry, err = registry.NewClient(url, m.Registry.Username.Reveal(), m.Registry.Password.Reveal())
	return o, err
}

// Close gives up its connections.
func (o *Operator) Close() { o.registry.Close() }

// patience is how long a request may wait for a process to take it.
const patience = 30 * time.Second

// Ask makes a request and waits for its end; see topics.Ask. arguments become JSON; nil: none.
func (o *Operator) Ask(ctx context.Context, kind topics.RequestKind, subject string, arguments any, progress func(topics.Request)) (topics.Request, error) {
	r := topics.Request{Kind: kind, Subject: subject}
	f, err := topics.NewFrame(ctx, o.registry, o.names.Requests(), topics.RequestKeySchema, topics.RequestSchema)
	if err != nil {
		return r, err
	}
	if arguments != nil {
		if r.Arguments, err = json.Marshal(arguments); err != nil {
			return r, err
		}
	}
	return topics.Ask(ctx, o.cluster, o.names, f, r, patience, progress)
}

// A StreamSnapshot is how the snapshot of a stream stands.
type StreamSnapshot struct {
	Stream string               `json:"stream"`
	Epoch  uint32               `json:"epoch"` // 0: none has begun
	State  topics.SnapshotState `json:"state"`
	Rows   int64                `json:"rows"`         // read by this epoch's snapshot
	Of     *int64               `json:"of,omitempty"` // the source's estimate, where a request reports it
	// Request is the open one, or else the last of the stream.
	Request *RequestStatus `json:"request,omitempty"`
}

// A RequestStatus is a request as the command line shows it.
type RequestStatus struct {
	ID      string              `json:"id"`
	Kind    topics.RequestKind  `json:"kind"`
	State   topics.RequestState `json:"state"`
	Asked   time.Time           `json:"requestedAt"`
	Outcome string              `json:"outcome,omitempty"`
}

// StatusOf shows a request.
func StatusOf(r *topics.Request) *RequestStatus {
	return &RequestStatus{ID: r.ID, Kind: r.Kind, State: r.State, Asked: r.Asked(), Outcome: r.Outcome}
}

// Snapshots tells how the snapshots of all streams stand.
func (o *Operator) Snapshots(ctx context.Context) ([]StreamSnapshot, error) {
	saved, err := topics.ReadPositions(ctx, o.cluster, o.names)
	if err != nil {
		return nil, err
	}
	requests, err := topics.ReadRequests(ctx, o.cluster, o.names)
	if err != nil {
		return nil, err
	}
	var out []StreamSnapshot
	for _, sys := range o.mesh.Systems {
		for _, s := range sys.Streams {
			p := saved[topics.PositionKey{System: sys.Name, Stream: s.Name}]
			st := StreamSnapshot{Stream: s.ID(), Epoch: p.Epoch, State: p.Snapshot, Rows: p.Rows}
			st.request(slices.DeleteFunc(slices.Clone(requests), func(r topics.Request) bool {
				return r.Kind != topics.SnapshotStart || r.Subject != s.ID()
			}))
			out = append(out, st)
		}
	}
	return out, nil
}

// request picks the open request of a stream, else the newest, and reads its progress.
func (st *StreamSnapshot) request(of []topics.Request) {
	if len(of) == 0 {
		return
	}
	i := slices.IndexFunc(of, func(r topics.Request) bool { return r.State == topics.RequestRunning })
	if i < 0 {
		i = len(of) - 1
	}
	r := of[i]
	st.Request = StatusOf(&r)
	var p struct {
		Of int64 `json:"of"`
	}
	if json.Unmarshal(r.Progress, &p) == nil && p.Of > 0 && r.State == topics.RequestRunning {
		st.Of = &p.Of
	}
}

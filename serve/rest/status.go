package rest

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"tributary/serve/freshness"
)

// A StatusProvider knows what the streams and views of the mesh are doing.
type StatusProvider interface {
	Status(ctx context.Context) (Status, error)
}

// Status is the answer of /v1/_status. What is not known is null, never 0.
type Status struct {
	Mesh    string         `json:"mesh"`
	Broker  *Broker        `json:"broker"` // null unless it is embedded
	Streams []StreamStatus `json:"streams"`
	Views   []ViewStatus   `json:"views"`
}

// Broker is how full the embedded broker is: records, live and dead, against the stated limit.
type Broker struct {
	Records int64 `json:"records"`
	Limit   int64 `json:"limit"`
}

// Lag is how far something is behind.
type Lag struct {
	Records *int64 `json:"records"`
	Bytes   *int64 `json:"bytes"`
	Ms      *int64 `json:"ms"`
}

// StreamStatus is one stream. Its lag is of capture in time, and of normalize in records.
type StreamStatus struct {
	Name            string     `json:"name"`
	State           string     `json:"state"`
	VerifiedThrough *time.Time `json:"verifiedThrough"`
	StalenessMs     *int64     `json:"stalenessMs"`
	Lag             Lag        `json:"lag"`
	DeadLetters     int64      `json:"deadLetters"`
	DownSince       *time.Time `json:"downSince"`
	// Reason says why capture is interrupted, and what to do; null while it is not.
	Reason   *string   `json:"reason"`
	Snapshot *Snapshot `json:"snapshot"`
	// Position is the newest that the raw topic holds, in text form.
	Position *string `json:"position"`
	// Captured counts the records since the process began; Errors what failed.
	Captured *int64 `json:"captured"`
	Errors   *int64 `json:"errors"`
}

// Snapshot is how far the snapshot of a stream's epoch has come.
type Snapshot struct {
	State string `json:"state"` // running or done
	Epoch uint32 `json:"epoch"`
	Rows  int64  `json:"rows"`
	// Estimate is the source's own guess of the stream's rows.
	Estimate *int64 `json:"estimate"`
}

// ViewStatus is one view. Its lag is of resolve and of the view's store in records, and behind
// what has been captured in time.
type ViewStatus struct {
	Name            string     `json:"name"`
	State           string     `json:"state"`
	VerifiedThrough *time.Time `json:"verifiedThrough"`
	StalenessMs     *int64     `json:"stalenessMs"`
	Lag             Lag        `json:"lag"`
	DeadLetters     int64      `json:"deadLetters"`
	Rows            *int64     `json:"rows"`
	// Incomplete counts entities that wait for required fields.
	Incomplete *int64 `json:"incomplete"`
	// Conflicts counts those that are open.
	Conflicts *int64 `json:"conflicts"`
}

// FromTracker is the status as far as a tracker knows it.
type FromTracker struct {
	Mesh     string
	Entities []string
	Tracker  *freshness.Tracker
}

// Status implements StatusProvider.
func (p FromTracker) Status(context.Context) (Status, error) {
	now := p.Tracker.Now()
	out := Status{Mesh: p.Mesh, Streams: []StreamStatus{}, Views: []ViewStatus{}}
	streams := map[string]freshness.Reading{}
	for _, name := range p.Entities {
		snap := p.Tracker.Snapshot(name)
		bounds := freshness.BoundsOf(snap.Entity.Fields)
		reading := snap.View(freshness.All, bounds, now)
		v := ViewStatus{Name: name, State: reading.State.String(), DeadLetters: snap.DeadLetters()}
		v.VerifiedThrough, v.StalenessMs = known(reading, now)
		out.Views = append(out.Views, v)
		for _, s := range snap.AppendStreams(nil, freshness.All, nil, bounds, now) {
			if have, ok := streams[s.Name]; ok {
				s.Reading = s.Worse(have)
			}
			streams[s.Name] = s.Reading
		}
	}
	for _, name := range p.Tracker.Streams() {
		reading, ok := streams[name]
		st := p.Tracker.StreamStatus(name)
		if !ok {
			reading.State = freshness.Unknown // no view reads it
		}
		s := StreamStatus{Name: name, State: reading.State.String(), DeadLetters: st.DeadLetters}
		s.VerifiedThrough, s.StalenessMs = known(reading, now)
		if !st.DownSince.IsZero() {
			s.DownSince = &st.DownSince
		}
		out.Streams = append(out.Streams, s)
	}
	return out, nil
}

func known(r freshness.Reading, now time.Time) (through *time.Time, staleMs *int64) {
	stale, ok := r.Staleness(now)
	if !ok {
		return nil, nil
	}
	at, ms := r.Through.UTC(), stale.Milliseconds()
	return &at, &ms
}

func (s *Server) status(w http.ResponseWriter, req *http.Request) {
	st, err := s.Status.Status(req.Context())
	var body []byte
	if err == nil {
		body, err = json.Marshal(st)
	}
	if err != nil {
		s.log.Error().Err(err).Msg("the status cannot be told")
		WriteProblem(w, Internal())
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(body) // a client that is gone needs no answer
}

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

// Status is the answer of /v1/_status.
type Status struct {
	Mesh    string         `json:"mesh"`
	Streams []StreamStatus `json:"streams"`
	Views   []ViewStatus   `json:"views"`
}

// Lag is how far something is behind; what is unknown is null, never 0.
type Lag struct {
	Records *int64 `json:"records"`
	Bytes   *int64 `json:"bytes"`
	Ms      *int64 `json:"ms"`
}

// StreamStatus is one stream.
type StreamStatus struct {
	Name            string     `json:"name"`
	State           string     `json:"state"`
	VerifiedThrough *time.Time `json:"verifiedThrough"`
	StalenessMs     *int64     `json:"stalenessMs"`
	Lag             Lag        `json:"lag"`
	DeadLetters     int64      `json:"deadLetters"`
	DownSince       *time.Time `json:"downSince"`
}

// ViewStatus is one view.
type ViewStatus struct {
	Name            string     `json:"name"`
	State           string     `json:"state"`
	VerifiedThrough *time.Time `json:"verifiedThrough"`
	StalenessMs     *int64     `json:"stalenessMs"`
	Lag             Lag        `json:"lag"`
	DeadLetters     int64      `json:"deadLetters"`
	// Incomplete counts entities that wait for required fields; null: not known.
	Incomplete *int64 `json:"incomplete"`
}

// FromTracker is the status as far as a tracker knows it: all but lag.
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

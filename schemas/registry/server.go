package registry

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// maxBody bounds a request's body in bytes.
	maxBody = 1 << 20
	// writeTimeout bounds a write with its read-back.
	writeTimeout = 30 * time.Second
)

// Options of a Server. The zero value is fine.
type Options struct {
	Topic       string // "_schemas" by default
	Replication int16  // of a topic that has to be made; the broker's default if 0
	Log         zerolog.Logger
}

func (o *Options) ensureDefaults() {
	if o.Topic == "" {
		o.Topic = "_schemas"
	}
	if o.Replication == 0 {
		o.Replication = -1
	}
}

// A Server is a schema registry on a Kafka topic. Its methods are safe for concurrent use.
type Server struct {
	opts   Options
	reader *reader

	// writing is a lock that can be waited for with a context; it guards writer.
	writing chan struct{}
	writer  writer

	mu       sync.RWMutex // guards what follows
	catalog  *catalog
	applied  int64         // offset behind the last record in catalog
	progress chan struct{} // closed and replaced when applied rises

	stopped chan struct{} // closed when Run ends
	stop    sync.Once
}

// Open makes the topic if it is missing and reads it to its end. The options say how to reach
// the broker (seed brokers, TLS, SASL) and nothing about topics, groups or transactions. The
// caller then runs Run, which is needed for writes to be answered, and serves Handler.
func Open(ctx context.Context, brokers []kgo.Opt, o Options) (*Server, error) {
	o.ensureDefaults()
	if err := ensureTopic(ctx, brokers, o); err != nil {
		return nil, fmt.Errorf("schema registry: %w", err)
	}
	r, err := newReader(brokers, o)
	if err != nil {
		return nil, fmt.Errorf("schema registry: %w", err)
	}
	s := &Server{
		opts: o, reader: r, writing: make(chan struct{}, 1), writer: writer{opts: brokers, topic: o.Topic},
		catalog: newCatalog(), progress: make(chan struct{}), stopped: make(chan struct{}),
	}
	if err := s.readToEnd(ctx); err != nil {
		s.Close()
		return nil, fmt.Errorf("schema registry: %w", err)
	}
	return s, nil
}

func (s *Server) readToEnd(ctx context.Context) error {
	// Other processes that begin now fence this session, and it them.
	barrier, err := backoff.Retry(ctx, func() (int64, error) { return s.writer.open(ctx) },
		backoff.WithBackOff(pace()), backoff.WithMaxElapsedTime(writeTimeout), backoff.WithNotify(s.interrupted))
	if err != nil {
		return fmt.Errorf("topic %s: %w", s.opts.Topic, err)
	}
	for s.applied <= barrier {
		if err := s.reader.poll(ctx, s.apply); err != nil {
			return err
		}
	}
	return nil
}

// Run follows the topic until ctx ends, then closes the server; it returns an error only when
// the topic cannot be read any more. Stop serving Handler before ctx ends.
func (s *Server) Run(ctx context.Context) error {
	defer s.Close()
	for {
		if err := s.reader.poll(ctx, s.apply); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("schema registry: %w", err)
		}
	}
}

// Close releases the connections of a server that does not run, or no longer.
func (s *Server) Close() {
	s.stop.Do(func() {
		close(s.stopped)
		s.reader.client.Close()
		s.writing <- struct{}{} // a write that is under way ends first
		s.writer.close()
		<-s.writing
	})
}

func (s *Server) apply(records []*kgo.Record) {
	if len(records) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range records {
		if err := s.catalog.apply(r); err != nil {
			s.opts.Log.Error().Err(err).Str("topic", s.opts.Topic).Int64("offset", r.Offset).
				Msg("schema registry: a record was left out; correct or delete its key in the topic")
		}
		s.applied = r.Offset + 1
	}
	close(s.progress)
	s.progress = make(chan struct{})
}

// reached waits until the record at offset is in the catalog.
func (s *Server) reached(ctx context.Context, offset int64) error {
	for {
		s.mu.RLock()
		applied, progress := s.applied, s.progress
		s.mu.RUnlock()
		if applied > offset {
			return nil
		}
		select {
		case <-progress:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.stopped:
			return errors.New("the registry is shutting down")
		}
	}
}

// A plan looks at the catalog and gives the records that carry a write out; none if there is
// nothing to do. It may be called several times.
type plan func(*catalog) ([]*kgo.Record, error)

// write carries a plan out and returns when its records are in the catalog. The plan sees every
// write that was ever committed, and its records are committed only if no other process wrote
// in between: otherwise the transaction is fenced and the plan made anew.
func (s *Server) write(ctx context.Context, p plan) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	select {
	case s.writing <- struct{}{}:
	case <-s.stopped:
		return fail(codeStore, "The registry is shutting down.")
	case <-ctx.Done():
		return fail(codeTimeout, "Waiting for another write took too long.")
	}
	defer func() { <-s.writing }()
	var last error // tells more than the end of ctx
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		done, err := s.attempt(ctx, p)
		last = err
		if done && err != nil {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(pace()), backoff.WithMaxElapsedTime(writeTimeout), backoff.WithNotify(s.interrupted))
	var refused *apiError
	switch {
	case err == nil || errors.As(err, &refused):
		return err
	case ctx.Err() != nil:
		return fail(codeTimeout, "The write was not confirmed in time; its outcome is unknown, asking again is safe: %v.", last)
	}
	return fail(codeStore, "Writing to topic %s failed: %v.", s.opts.Topic, err)
}

// interrupted notes a write that will be tried again. That another process wrote in between is in
// the order of things.
func (s *Server) interrupted(err error, _ time.Duration) {
	event := s.opts.Log.Warn()
	if errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidProducerEpoch) || errors.Is(err, kerr.InvalidTxnState) {
		event = s.opts.Log.Debug()
	}
	event.Err(err).Str("topic", s.opts.Topic).Msg("schema registry: write interrupted, trying again")
}

// attempt is done when the plan was carried out, needed nothing or was refused.
func (s *Server) attempt(ctx context.Context, p plan) (done bool, err error) {
	if s.writer.client == nil {
		barrier, err := s.writer.open(ctx)
		if err != nil {
			return false, err
		}
		if err := s.reached(ctx, barrier); err != nil {
			s.writer.close() // a session may be used only behind its barrier
			return false, err
		}
	}
	s.mu.RLock()
	records, err := p(s.catalog)
	s.mu.RUnlock()
	if err != nil || len(records) == 0 {
		return true, err
	}
	last, err := s.writer.append(ctx, records...)
	if err != nil {
		return false, err
	}
	if err := s.reached(ctx, last); err != nil {
		s.writer.close() // the next plan must see this write
		return false, err
	}
	return true, nil
}

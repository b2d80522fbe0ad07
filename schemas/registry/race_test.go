package registry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// TestWritersNeverGiveOutOneIDTwice lets three processes register under the same subjects at
// once: half of the schemas everywhere the same, half of a process's own.
func TestWritersNeverGiveOutOneIDTwice(t *testing.T) {
	brokers, stopBroker := startBroker(t, t.TempDir())
	t.Cleanup(stopBroker)
	const processes, schemas = 3, 12
	var servers []*Server
	for range processes {
		s, _, stop := startServer(t, brokers)
		defer stop()
		servers = append(servers, s)
	}
	type given struct {
		subject string
		schema  string
		version *version
	}
	answers := make(chan given, processes*schemas)
	var group errgroup.Group
	for p, s := range servers {
		group.Go(func() error {
			for i := range schemas {
				g := given{subject: fmt.Sprintf("s%d-value", i%4), schema: schemaNamed(fmt.Sprintf("Same%d", i))}
				if i%2 == 1 {
					g.schema = schemaNamed(fmt.Sprintf("Own%d_%d", p, i))
				}
				var err error
				if g.version, err = s.register(t.Context(), g.subject, &schemaRequest{Schema: g.schema}, true); err != nil {
					return err
				}
				answers <- g
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	close(answers)
	schemaOf, placeOf := map[int]string{}, map[string]string{}
	for g := range answers {
		if before, ok := schemaOf[g.version.id]; ok && before != g.schema {
			t.Errorf("id %d was given out for %s and for %s", g.version.id, before, g.schema)
		}
		schemaOf[g.version.id] = g.schema
		place := fmt.Sprintf("%s/%d", g.subject, g.version.number)
		if before, ok := placeOf[place]; ok && before != g.schema {
			t.Errorf("%s was given out for %s and for %s", place, before, g.schema)
		}
		placeOf[place] = g.schema
	}
	// Who starts now reads what all of them were told.
	last, _, stop := startServer(t, brokers)
	defer stop()
	for id, schema := range schemaOf {
		if c := last.catalog.contents[id]; c == nil || c.text != schema {
			t.Errorf("id %d is %+v after all, was given out for %s", id, c, schema)
		}
	}
}

// TestNoPlanBeforeTheBarrier: a process that was fenced and has not read what the other wrote
// must not plan a write, for it would give out an id that is taken.
func TestNoPlanBeforeTheBarrier(t *testing.T) {
	brokers, stopBroker := startBroker(t, t.TempDir())
	t.Cleanup(stopBroker)
	behind, err := Open(t.Context(), brokers, Options{}) // does not run, so it reads nothing more
	if err != nil {
		t.Fatal(err)
	}
	defer behind.Close()
	s, _, stop := startServer(t, brokers)
	defer stop()
	mustRegister(t, s, "s-value", schemaNamed("First"))

	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err = behind.register(ctx, "t-value", &schemaRequest{Schema: schemaNamed("Second")}, false)
	var refused *apiError
	if !errors.As(err, &refused) || refused.Code != codeTimeout {
		t.Errorf("write of a process that is behind: %v, want code %d", err, codeTimeout)
	}
	for _, r := range topicRecords(t, brokers) {
		if strings.Contains(string(r.Value), "Second") {
			t.Errorf("it wrote %s", r.Value)
		}
	}
}

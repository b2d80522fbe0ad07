package seed_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"tributary/deploy/postgres/pgtest"
	"tributary/examples/acme"
	"tributary/examples/acme/seed"
	"tributary/internal/poll"
)

func TestWorkloadGoesOnAfterAnOutage(t *testing.T) {
	srv := pgtest.Start(t)
	var db acme.Databases
	for name, url := range map[string]*string{"erp": &db.ERP, "pim": &db.PIM, "wms": &db.WMS} {
		if err := srv.CreateDatabase(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		*url = srv.URL(name)
	}
	if err := seed.Seed(t.Context(), db, 300, nil); err != nil {
		t.Fatal(err)
	}
	work := &seed.Workload{Databases: db, Rate: 500, Seed: 1, Log: zerolog.New(zerolog.NewTestWriter(t))}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- work.Run(ctx) }()

	poll.Within(t, time.Minute, "1500 changes", func() bool { return work.Counts().Committed > 1500 })
	if n := work.Counts().Failed; n != 0 {
		t.Errorf("%d changes failed with all databases up", n)
	}
	if err := srv.Kill(); err != nil {
		t.Fatal(err)
	}
	poll.Within(t, time.Minute, "changes dropped while the databases are down", func() bool { return work.Counts().Dropped > 0 })
	if err := srv.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := work.Counts().Committed
	poll.Within(t, time.Minute, "500 changes after the outage", func() bool { return work.Counts().Committed > before+500 })
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	if got := value(t, db.PIM, "select count(*)::text from (select 1 from variant group by ean having count(*) > 1) x"); got != "0" {
		t.Errorf("%s EANs are there twice", got)
	}
}

func TestWorkloadNeedsSeed(t *testing.T) {
	work := &seed.Workload{Databases: databases(t)}
	if err := work.Run(t.Context()); !errors.Is(err, seed.ErrNotSeeded) {
		t.Errorf("Run on empty databases: %v, want ErrNotSeeded", err)
	}
}

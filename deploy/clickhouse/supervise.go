package clickhouse

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// healthyAfter is how long an engine must have lived for the next restart to come at once.
const healthyAfter = time.Minute

// Supervise runs the engine until ctx ends and starts it again whenever it dies, after 0.1 s at
// first and up to 10 s later. started is called with each new process, the first before anything
// else. The first start's failure is returned; later ones are logged and tried again (I7).
func Supervise(ctx context.Context, cfg Config, started func(*Process)) error {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 100*time.Millisecond, 10*time.Second
	for first := true; ; first = false {
		p, err := Start(ctx, cfg)
		if ctx.Err() != nil {
			if err == nil {
				p.Stop()
			}
			return nil
		}
		if err != nil && first {
			return err
		}
		if err == nil {
			cfg.Addr = p.Addr() // a restart must be found at the same place
			started(p)
			since := time.Now()
			err = p.Wait()
			if time.Since(since) > healthyAfter {
				pause.Reset()
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		if err == nil {
			err = errors.New("it ended without being asked to")
		}
		wait := pause.NextBackOff()
		cfg.Log.Error().Err(err).Dur("restart_in", wait).Msg("the embedded ClickHouse engine is down; records wait in Kafka")
		if sleep(ctx, wait) != nil {
			return nil
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

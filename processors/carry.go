package processors

import (
	"context"
	"fmt"

	"tributary/topics"
)

// A Carrier is a Worker that carries out requests of operators to its partition.
type Carrier interface {
	// Carry carries a request out, all of the input below the offset through being applied, and
	// gives it with its outcome, which is committed together with out. An error means that it is
	// to be tried again.
	Carry(ctx context.Context, r topics.Request, through int64, out *Output) (topics.Request, error)
}

// carry carries out what is asked of the assigned partitions.
func (s *session) carry(ctx context.Context, out *Output) error {
	ended := map[string]bool{}
	for _, a := range s.assigned {
		carrier, ok := a.worker.(Carrier)
		if !ok || a.through < 0 {
			continue
		}
		subject := topics.PartitionSubject(s.Subject, a.partition)
		for _, r := range s.Requests.Open(func(r *topics.Request) bool { return r.Subject == subject }) {
			if s.ended[r.ID] {
				ended[r.ID] = true
				continue
			}
			outcome, err := carrier.Carry(ctx, r, a.through, out)
			if err != nil {
				return fmt.Errorf("%s %s partition %d: request %s: %w", s.Name, s.Subject, a.partition, r.ID, err)
			}
			out.records = append(out.records, s.Requests.Record(outcome))
			ended[r.ID] = true
		}
	}
	s.ended = ended
	return nil
}

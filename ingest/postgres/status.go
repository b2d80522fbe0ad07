package postgres

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"
)

// statusSize is the length of a standby status update in its CopyData frame.
const statusSize = 1 + 4 + 1 + 8*4 + 1

// reportStatus tells the server how far we are, from a goroutine of its own, since handing over
// changes may block for longer than the server waits for a sign of life. It is the only writer
// on the connection.
func (st *stream) reportStatus(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var confirmed uint64
	var sent time.Time
	for {
		durable, err := st.durable()
		if err != nil {
			return err
		}
		moved := durable > confirmed
		confirmed = max(confirmed, durable) // never backwards
		ask := st.pending.waiting()
		if moved || ask || st.asked.Swap(false) || time.Since(sent) >= st.source.tuning.StatusEvery {
			if err := st.sendStatus(confirmed, ask); err != nil {
				return err
			}
			sent = time.Now()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-st.wake:
		case <-tick.C:
		}
	}
}

// durable is what may be confirmed: what Kafka holds, and nothing else (I1). 0 confirms nothing.
func (st *stream) durable() (uint64, error) {
	r := st.out.Durable()
	if r == nil {
		return 0, nil
	}
	c, err := parseResume(r)
	if err != nil {
		return 0, err
	}
	if c.system != st.at.system {
		return 0, nil // of a server before this one
	}
	return uint64(c.lsn), nil
}

// sendStatus writes a standby status update (tag r) in a CopyData frame.
func (st *stream) sendStatus(confirmed uint64, ask bool) error {
	var frame [statusSize]byte
	frame[0] = 'd'
	binary.BigEndian.PutUint32(frame[1:], statusSize-1)
	frame[5] = 'r'
	binary.BigEndian.PutUint64(frame[6:], max(st.received.Load(), confirmed)) // written
	binary.BigEndian.PutUint64(frame[14:], confirmed)                         // flushed
	binary.BigEndian.PutUint64(frame[22:], confirmed)                         // applied
	binary.BigEndian.PutUint64(frame[30:], uint64(time.Since(pgEpoch).Microseconds()))
	if ask {
		frame[38] = 1
	}
	if err := st.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return fmt.Errorf("%s: report to the server: %w", st.source.subject(), err)
	}
	if _, err := st.conn.Write(frame[:]); err != nil {
		return fmt.Errorf("%s: report to the server: %w", st.source.subject(), err)
	}
	return nil
}

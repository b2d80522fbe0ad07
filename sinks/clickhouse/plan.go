package clickhouse

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A partition of one of the sink's topics.
type partition struct {
	topic  string
	number int32
}

// A plan is a block that may have been inserted: the records from Start up to and without End.
// It is committed as the metadata of offset Start before the insert, so that whoever goes on
// after a crash repeats exactly this block under exactly this token, which ClickHouse then drops
// if it had it. It also fences: a member that has lost the partition cannot plan.
type plan struct {
	Start, End int64
	// Salt is the first record's timestamp in ms: a topic that was made anew has the old offsets.
	Salt int64
}

// metadata is the plan's text for Kafka.
func (p plan) metadata() string { return fmt.Sprintf("v1 %d %d", p.End, p.Salt) }

// planFrom reads a committed offset and its metadata; ok is false where no plan is open.
func planFrom(start int64, metadata string) (p plan, ok bool) {
	p.Start = start
	n, err := fmt.Sscanf(metadata, "v1 %d %d", &p.End, &p.Salt)
	return p, err == nil && n == 2 && p.End > start
}

// token names the block for ClickHouse's deduplication.
func (p plan) token(at partition) string {
	return fmt.Sprintf("%s/%d/%d-%d@%d", at.topic, at.number, p.Start, p.End, p.Salt)
}

// pending holds a partition's records that are not in ClickHouse yet.
type pending struct {
	records []*kgo.Record
	since   time.Time // when the oldest came
	high    int64     // the partition's high watermark
	open    *plan     // must go first
	planned bool      // open is committed by this process
	buried  int64     // records below this offset that could not be read are dead letters already
}

// next gives the block to insert now: the open plan's once its records are complete, else what
// has come, if it is many enough or old enough.
func (p *pending) next(now time.Time, linger time.Duration, most int) (block plan, records []*kgo.Record, due bool) {
	if len(p.records) == 0 {
		return block, nil, false
	}
	last := p.records[len(p.records)-1].Offset
	if p.open != nil {
		return *p.open, p.records[:p.before(p.open.End)], last+1 >= p.open.End
	}
	n, full := p.fill(most)
	if !full && now.Sub(p.since) < linger {
		return block, nil, false
	}
	records = p.records[:n]
	first := records[0]
	return plan{Start: first.Offset, End: records[len(records)-1].Offset + 1, Salt: first.Timestamp.UnixMilli()}, records, true
}

// maxBlockBytes bounds a block's records, in bytes; one that is larger goes alone. // I8
const maxBlockBytes = 8 << 20

// fill counts the records that make a block, and says whether more would not fit.
func (p *pending) fill(most int) (n int, full bool) {
	size := 0
	for n < len(p.records) {
		if size += len(p.records[n].Value); n > 0 && size > maxBlockBytes || n == most {
			return n, true
		}
		n++
	}
	return n, n == most
}

// before counts the records below an offset.
func (p *pending) before(offset int64) int {
	n := 0
	for n < len(p.records) && p.records[n].Offset < offset {
		n++
	}
	return n
}

// done drops the records of an inserted block.
func (p *pending) done(block plan, now time.Time) {
	p.records = append([]*kgo.Record(nil), p.records[p.before(block.End):]...)
	p.open, p.planned, p.since = nil, false, now
}

// behind is how many records of the partition are not in ClickHouse, and since when.
func (p *pending) behind(now time.Time) (records int64, age time.Duration) {
	if len(p.records) == 0 {
		return 0, 0
	}
	first := p.records[0]
	return max(p.high-first.Offset, int64(len(p.records))), max(now.Sub(first.Timestamp), 0)
}

package topics

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The embedded broker's partitions are compacted while nothing serves them: each is rewritten
// beside itself and changed over by renames, so that a crash leaves the old or the new one. The
// broker's own compaction would stall it, hold the survivors in memory and may drop a committed
// record for one that is aborted later; its retention would empty compacted topics after 7 days.

// A Compaction is a partition that was rewritten.
type Compaction struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Before    int64  `json:"recordsBefore"`
	After     int64  `json:"recordsAfter"`
}

const (
	// compactFrom is how many dead records a partition must have to be compacted at a start, and
	// they must be more than half.
	compactFrom = 1 << 20
	runSize     = 1 << 20 // 24 MiB of sightings
)

// CompactFolder compacts the topics named, or all compacted ones, in the data folder of an embedded
// broker that does not run, whatever the share of dead records.
func CompactFolder(dir string, only []string, log zerolog.Logger) ([]Compaction, error) {
	c := &compactor{dir: dir, only: only, force: true, log: log, now: time.Now(), runSize: runSize}
	if err := c.recover(); err != nil {
		return nil, err
	}
	if _, err := repairTransactions(dir, log); err != nil {
		return nil, err
	}
	return c.run()
}

// A compactor rewrites the partitions of a data folder.
type compactor struct {
	dir     string
	only    []string // topics; empty: all
	force   bool
	log     zerolog.Logger
	now     time.Time
	runSize int
	step    func(string) error // lets a test stop it between two steps; nil otherwise
}

func (c *compactor) at(step string) error {
	if c.step == nil {
		return nil
	}
	return c.step(step)
}

func (c *compactor) live(name string) string { return filepath.Join(c.dir, "partitions", name) }
func (c *compactor) side(name string) string { return filepath.Join(c.dir, "compact", name) }

// run compacts partition after partition.
func (c *compactor) run() (out []Compaction, err error) {
	all, err := compactedTopics(c.dir)
	if err != nil {
		return nil, err
	}
	for _, name := range c.only {
		if _, ok := all[name]; !ok {
			return nil, fmt.Errorf("the broker has no compacted topic %s", name)
		}
	}
	for topic, t := range all {
		if len(c.only) > 0 && !slices.Contains(c.only, topic) {
			continue
		}
		for p := range t.partitions {
			done, err := c.partition(topic, p, t.retention)
			if err != nil {
				return out, fmt.Errorf("compact %s partition %d: %w", topic, p, err)
			}
			if done != nil {
				out = append(out, *done)
			}
		}
	}
	return out, nil
}

func (c *compactor) partition(topic string, p int32, retention time.Duration) (*Compaction, error) {
	name := partitionFolder(topic, p)
	if _, err := os.Stat(c.live(name)); errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	tail, err := readTail(c.live(name))
	if err != nil || tail.records == 0 {
		return nil, err
	}
	if !c.force && tail.records-c.known(name) < compactFrom {
		return nil, nil
	}
	if err := os.MkdirAll(c.side(""), 0o700); err != nil {
		return nil, err
	}
	gone, err := findAborted(c.live(name))
	if err != nil {
		return nil, err
	}
	d := kgo.DefaultDecompressor()
	newest, err := findNewest(c.live(name), c.side(""), gone, d, c.runSize)
	if err != nil {
		return nil, err
	}
	if dead := tail.records - newest.live; !c.force && (dead < compactFrom || dead*2 < tail.records) {
		return nil, c.know(name, newest.live)
	}
	after, err := c.rewrite(name, tail.next, c.now.Add(-retention).UnixMilli(), gone, newest, d)
	if err != nil {
		return nil, err
	}
	if err := c.changeOver(name); err != nil {
		return nil, err
	}
	c.log.Info().Str("topic", topic).Int32("partition", p).Int64("before", tail.records).Int64("after", after).Msg("compacted")
	return &Compaction{topic, p, tail.records, after}, c.know(name, after)
}

// rewrite writes what survives of a partition beside it: records that are the newest of their keys,
// but for tombstones from before expired, and the last batch as it is, which holds the end of the
// log. What survives is committed and stands outside of transactions, so markers are of no use.
func (c *compactor) rewrite(name string, end, expired int64, gone aborted, newest *marking, d kgo.Decompressor) (kept int64, err error) {
	dir := c.side(name + ".new")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, err
	}
	w, err := newSegmentWriter(dir)
	if err != nil {
		return 0, err
	}
	number := int64(-1)
	err = eachBatch(c.live(name), func(b storedBatch) error {
		if b.next() == end {
			if !b.control() {
				kept += b.count()
			}
			return w.keep(b)
		}
		if b.control() || gone.has(b) {
			return nil
		}
		return eachRecord(b, d, func(r storedRecord) error {
			number++
			if !newest.has(number) || r.tombstone && r.time < expired {
				return nil
			}
			kept++
			return w.add(r)
		})
	})
	if err != nil {
		return 0, errors.Join(err, w.close())
	}
	if err := w.finish(); err != nil {
		return 0, err
	}
	if err := c.at("written"); err != nil {
		return 0, err
	}
	return kept, os.Rename(dir, c.side(name+".ready"))
}

// changeOver puts the rewritten partition in the place of the old one. It may be repeated from any
// point.
func (c *compactor) changeOver(name string) error {
	old, ready := c.side(name+".old"), c.side(name+".ready")
	if err := c.at("ready"); err != nil {
		return err
	}
	if exists(c.live(name)) && exists(ready) {
		if err := errors.Join(os.RemoveAll(old), os.Rename(c.live(name), old)); err != nil {
			return err
		}
	}
	if err := c.at("old away"); err != nil {
		return err
	}
	if exists(ready) {
		if err := os.Rename(ready, c.live(name)); err != nil {
			return err
		}
	}
	if err := c.at("new there"); err != nil {
		return err
	}
	return os.RemoveAll(old)
}

// recover ends what a crash left of an earlier compaction.
func (c *compactor) recover() error {
	entries, err := os.ReadDir(c.side(""))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		name, ext := e.Name(), filepath.Ext(e.Name())
		base := strings.TrimSuffix(name, ext)
		switch {
		case ext == ".new" || strings.HasPrefix(name, "run-"):
			err = os.RemoveAll(c.side(name))
		case ext == ".ready" || ext == ".old":
			err = c.changeOver(base)
		}
		if err != nil {
			return fmt.Errorf("end the compaction of %s: %w", base, err)
		}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// know keeps how many records of a partition were live when it was looked at last, so that a start
// reads it again only when it has grown.
func (c *compactor) know(name string, live int64) error {
	return os.WriteFile(c.side(name+".live"), strconv.AppendInt(nil, live, 10), 0o600)
}

func (c *compactor) known(name string) int64 {
	text, err := os.ReadFile(c.side(name + ".live"))
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// A compactedTopic is a topic with cleanup.policy compact.
type compactedTopic struct {
	partitions int32
	retention  time.Duration // of tombstones
}

// compactedTopics reads kfake's topics.json.
func compactedTopics(dir string) (map[string]compactedTopic, error) {
	text, err := os.ReadFile(filepath.Join(dir, "topics.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all struct {
		Topics []struct {
			Name       string            `json:"name"`
			Partitions int32             `json:"partitions"`
			Configs    map[string]string `json:"configs"`
		} `json:"topics"`
	}
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("topics of the embedded broker: %w", err)
	}
	out := map[string]compactedTopic{}
	for _, t := range all.Topics {
		if !strings.Contains(t.Configs["cleanup.policy"], "compact") {
			continue
		}
		ms, err := strconv.ParseInt(t.Configs["delete.retention.ms"], 10, 64)
		if err != nil {
			ms = (24 * time.Hour).Milliseconds() // Kafka's default
		}
		out[t.Name] = compactedTopic{t.Partitions, time.Duration(ms) * time.Millisecond}
	}
	return out, nil
}

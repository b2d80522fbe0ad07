package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/mesh"
	"tributary/schemas"
	"tributary/schemas/registry"
	"tributary/topics"
)

// feedPartitions are those of the three-database mesh's topics.
const feedPartitions = 4

// A feed writes contributions to the entity of the three-database mesh, as normalize would, for a
// tributary that only processes.
type feed struct {
	rig     *rig
	process *process
	cluster *topics.Cluster
	client  *kgo.Client
	names   topics.Names
	codec   *schemas.EntityCodec
	fields  map[string]int // index by name
	frame   topics.Frame
	sent    int64         // contributions so far; their positions rise with it
	prices  map[int]int64 // in cents, by entity: what was fed last
}

// openFeed starts the tributary on a broker and connects to it.
func (r *rig) openFeed(ctx context.Context, broker string) (*feed, error) {
	none := "=postgres://nobody@127.0.0.1:1/none" // the process role connects to no database
	p, err := r.start(launch{manifest: threeMesh(broker), roles: "process",
		env: []string{"ERP_DATABASE_URL" + none, "PIM_DATABASE_URL" + none, "WMS_DATABASE_URL" + none}})
	if err != nil {
		return nil, err
	}
	f := &feed{rig: r, process: p, names: "bench", fields: map[string]int{}, prices: map[int]int64{}}
	if err := f.connect(ctx, broker); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

func (f *feed) connect(ctx context.Context, broker string) error {
	addresses, err := f.process.Ready(ctx)
	if err != nil {
		return err
	}
	m, err := mesh.Parse([]mesh.File{{Name: "three.yaml", Text: []byte(threeMesh(broker))}}, nil)
	if err != nil {
		return err
	}
	f.codec = schemas.NewEntityCodec(m.Name, m.Entities[0])
	for i, field := range m.Entities[0].Fields {
		f.fields[field.Name] = i
	}
	reg, err := registry.NewClient(addresses["registry"], "", "")
	if err != nil {
		return err
	}
	defer reg.Close()
	topic := f.names.Contributions("item", 1)
	if f.frame, err = topics.NewFrame(ctx, reg, topic, schemas.ContributionKeySchema(), f.codec.ContributionSchema()); err != nil {
		return err
	}
	if f.cluster, err = topics.NewCluster(mesh.Kafka{}, broker); err != nil {
		return err
	}
	f.client, err = f.cluster.Client(kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.ProducerLinger(5*time.Millisecond), kgo.MaxBufferedRecords(1<<16))
	return err
}

// close ends the tributary and the feed.
func (f *feed) close() error {
	if f.client != nil {
		f.client.Close()
	}
	return errors.Join(f.process.Stop(), f.process.Close())
}

// send writes a phase's contributions and waits until the broker has them.
func (f *feed) send(ctx context.Context, ph phase) error {
	failed := make(chan error, 1)
	for i := range ph.count {
		stream := i % streamsPerEntity
		if ph.single {
			stream = 0
		}
		f.client.Produce(ctx, f.record(ph.entity(i), stream, f.sent+int64(i)+1), func(_ *kgo.Record, err error) {
			if err != nil {
				select {
				case failed <- err:
				default: // one is enough
				}
			}
		})
		select {
		case err := <-failed:
			return fmt.Errorf("feed contributions: %w", err)
		default:
		}
	}
	if err := f.client.Flush(ctx); err != nil {
		return err
	}
	f.sent += int64(ph.count)
	select {
	case err := <-failed:
		return fmt.Errorf("feed contributions: %w", err)
	default:
		return nil
	}
}

// record makes contribution number n, from a row of one of the three streams.
func (f *feed) record(entity, stream int, n int64) *kgo.Record {
	id := "SKU-" + strconv.Itoa(entity)
	block := f.codec.Entity.Contributions[stream]
	key := schemas.ContributionKey{ID: id, Stream: block.From.ID(), Block: block.Name, SourceKey: id, Kind: schemas.KindRow}
	now := time.Now().UnixMicro()
	c := schemas.Contribution{Position: topics.MakePosition(1, 0, topics.MajorOf(uint64(n)), 0), SourceTime: now, CommitTime: now,
		TxID: n, Values: f.values(entity, stream, n)}
	c.Values[f.codec.KeyIndex] = schemas.AppendString(nil, id)
	return &kgo.Record{Partition: topics.Partition([]byte(id), feedPartitions),
		Key: schemas.AppendContributionKey(f.frame.Key(nil), key), Value: f.codec.AppendContribution(f.frame.Value(nil), &c)}
}

// values are what a row of a stream sets: about 450 bytes an entity over all three.
func (f *feed) values(entity, stream int, n int64) [][]byte {
	values := make([][]byte, len(f.fields))
	set := func(field string, value []byte) { values[f.fields[field]] = value }
	text := func(s string) []byte { return schemas.AppendString(nil, s) }
	switch stream {
	case 0:
		f.prices[entity] = n
		set("price", schemas.AppendDecimalInt64(nil, n))
		set("currency", text("EUR"))
		set("brand", text("erp brand "+strconv.Itoa(entity%50)))
		set("touched", schemas.AppendLong(nil, n))
	case 1:
		set("name", text("Item number "+strconv.Itoa(entity)))
		set("description", text("What can be said of item number "+strconv.Itoa(entity)+". "+strings.Repeat("It is sturdy and light. ", 6)))
		set("brand", text("brand "+strconv.Itoa(entity%50)))
		set("listed", schemas.AppendBool(nil, n%12 > 0))
	case 2:
		set("stock", schemas.AppendLong(nil, n%500))
		set("counted", schemas.AppendLong(nil, n))
	}
	return values
}

// check reads the view topic and compares each entity's last price with what was fed last.
func (f *feed) check(ctx context.Context) error {
	from := map[int32]int64{}
	for partition := range int32(feedPartitions) {
		from[partition] = 0
	}
	views := map[string]int64{}
	err := f.cluster.ReadToEnd(ctx, f.names.View("item"), from, func(r *kgo.Record) error {
		id, price, err := f.readView(r)
		views[id] = price
		return err
	})
	if err != nil {
		return err
	}
	if len(views) != len(f.prices) {
		return fmt.Errorf("the contents are wrong: %d entities have a view, want %d", len(views), len(f.prices))
	}
	for entity, want := range f.prices {
		if got := views["SKU-"+strconv.Itoa(entity)]; got != want {
			return fmt.Errorf("the contents are wrong: entity %d has the price %d, want %d", entity, got, want)
		}
	}
	return nil
}

// readView gives a view's id and price in cents.
func (f *feed) readView(r *kgo.Record) (id string, price int64, err error) {
	_, key, err := schemas.Unframe(r.Key)
	if err != nil {
		return "", 0, err
	}
	if id, err = schemas.DecodeViewKey(key); err != nil {
		return "", 0, err
	}
	_, body, err := schemas.Unframe(r.Value)
	if err != nil {
		return id, 0, fmt.Errorf("view of %s: %w", id, err)
	}
	values, _, err := f.codec.SplitView(body, nil)
	if err != nil {
		return id, 0, fmt.Errorf("view of %s: %w", id, err)
	}
	value := schemas.NewReader(values[f.fields["price"]])
	price, ok := schemas.DecimalInt64(value.Bytes())
	if value.Err() != nil || !ok {
		return id, 0, fmt.Errorf("view of %s: its price cannot be read", id)
	}
	return id, price, nil
}

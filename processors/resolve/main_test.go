package resolve

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"tributary/mesh"
	"tributary/processors"
	"tributary/processors/state"
	"tributary/schemas"
	"tributary/topics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A rig drives workers of one partition as a stage does, one step a transaction, on the embedded
// broker.
type rig struct {
	t        *testing.T
	cfg      Config
	client   *kgo.Client
	repaired int
	tally    *Tally
	loaded   bool
}

// product has a required price, which erp and shop set, and personal data.
func product() *mesh.Entity {
	field := func(name string, required bool) *mesh.Field {
		return &mesh.Field{Name: name, Type: mesh.Type{Kind: mesh.String}, Required: required,
			Rule: mesh.Rule{Name: mesh.Priority, From: []string{"erp", "shop"}}}
	}
	e := &mesh.Entity{Name: "product", Key: "sku", Fields: []*mesh.Field{field("sku", true), field("price", true), field("buyer", false)}}
	e.Fields[0].Rule = mesh.Rule{Name: mesh.Only}
	e.Fields[2].Classification = "pii"
	for _, system := range []string{"erp", "shop"} {
		e.Contributions = append(e.Contributions, &mesh.Block{Name: system + ".item",
			From: &mesh.Stream{System: &mesh.System{Name: system}, Name: "item"},
			Set:  []mesh.Assignment{{Field: "price", Expr: "row.price"}, {Field: "buyer", Expr: "row.buyer"}}})
	}
	return e
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t}
	broker, err := topics.StartBroker(t.TempDir(), "127.0.0.1:0", zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	cluster, err := topics.NewCluster(mesh.Kafka{}, broker.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if r.client, err = cluster.Client(kgo.RecordPartitioner(kgo.ManualPartitioner())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.client.Close)
	r.cfg = Config{Names: "acme", Codec: schemas.NewEntityCodec("acme", product()), Partitions: 1, Cluster: cluster, Store: newStore(t),
		Log: zerolog.Nop(), Repaired: func() { r.repaired++ }, Tallied: func(_ int32, tally *Tally) { r.tally = tally },
		Loaded: func(int32) bool { return r.loaded }}
	var specs []topics.Spec
	for _, name := range []string{r.input(), r.view(), r.cfg.Names.Conflicts(), r.cfg.Names.Changes()} {
		specs = append(specs, topics.Spec{Name: name, Partitions: 1})
	}
	if err := cluster.Ensure(t.Context(), specs); err != nil {
		t.Fatal(err)
	}
	return r
}

func newStore(t *testing.T) *state.Store {
	t.Helper()
	s, err := state.Open(t.TempDir(), zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (r *rig) input() string { return r.cfg.Names.Contributions("product", 0) }
func (r *rig) view() string  { return r.cfg.Names.View("product") }

// open opens a worker, which is closed before the test ends.
func (r *rig) open() processors.Worker {
	r.t.Helper()
	w, err := Open(r.t.Context(), r.cfg, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := w.Close(); err != nil {
			r.t.Error(err)
		}
	})
	return w
}

// at is the position of a stream's n-th change.
func at(n uint64) topics.Position { return topics.MakePosition(1, 0, topics.MajorOf(n), 0) }

// said is what a row says of a product, "erp:P1@3 price buyer": "-" is null; no fields at all
// retract.
func (r *rig) said(text string) *kgo.Record {
	r.t.Helper()
	words := strings.Fields(text)
	var id string
	var n uint64
	system, rest, _ := strings.Cut(words[0], ":")
	if _, err := fmt.Sscanf(strings.Replace(rest, "@", " ", 1), "%s %d", &id, &n); err != nil {
		r.t.Fatal(err)
	}
	key := schemas.AppendContributionKey(schemas.AppendFrame(nil, 1), schemas.ContributionKey{ID: id,
		Stream: system + ".item", Block: system + ".item", SourceKey: `{"id":"` + id + `"}`, Kind: schemas.KindRow})
	rec := &kgo.Record{Topic: r.input(), Key: key}
	pos := at(n)
	if len(words) == 1 {
		rec.Headers = []kgo.RecordHeader{{Key: topics.HeaderPosition, Value: pos[:]}}
		return rec
	}
	c := schemas.Contribution{Position: pos, CommitTime: int64(n), Values: [][]byte{nil, nil, nil}}
	for i, word := range words[1:] {
		if word != "-" {
			c.Values[i+1] = schemas.AppendString(nil, word)
		}
	}
	rec.Value = r.cfg.Codec.AppendContribution(schemas.AppendFrame(nil, 1), &c)
	return rec
}

// send appends contributions to the topic and gives them with their offsets.
func (r *rig) send(texts ...string) (sent []*kgo.Record) {
	r.t.Helper()
	for _, text := range texts {
		sent = append(sent, r.said(text))
	}
	if err := r.client.ProduceSync(r.t.Context(), sent...).FirstErr(); err != nil {
		r.t.Fatal(err)
	}
	return sent
}

// step is a transaction of what was polled: it gives what was written, a word or two a record.
func (r *rig) step(w processors.Worker, records ...*kgo.Record) (through int64, wrote []string) {
	r.t.Helper()
	b := processors.Batch{Next: -1}
	if len(records) > 0 {
		b.Records, b.Next = records, records[len(records)-1].Offset+1
		b.End = b.Next
	}
	return r.apply(w, b)
}

func (r *rig) apply(w processors.Worker, b processors.Batch) (through int64, wrote []string) {
	r.t.Helper()
	return r.transact(w, func(ctx context.Context, out *processors.Output) (int64, error) { return w.Apply(ctx, b, out) })
}

// tell sends contributions and applies them in one step.
func (r *rig) tell(w processors.Worker, texts ...string) []string {
	r.t.Helper()
	_, wrote := r.step(w, r.send(texts...)...)
	return wrote
}

// reach is a transaction in which a stream's frontier comes to its n-th change.
func (r *rig) reach(w processors.Worker, stream string, n uint64) []string {
	r.t.Helper()
	_, wrote := r.transact(w, func(ctx context.Context, out *processors.Output) (int64, error) {
		return 0, w.Reached(ctx, map[string]topics.Watermark{stream: {Position: at(n)}}, out)
	})
	return wrote
}

func (r *rig) transact(w processors.Worker, work func(context.Context, *processors.Output) (int64, error)) (int64, []string) {
	r.t.Helper()
	ctx, out := r.t.Context(), &processors.Output{}
	through, err := work(ctx, out)
	if err != nil {
		r.t.Fatal(err)
	}
	ends, err := topics.NewEnds(ctx, r.client, map[string]int32{r.view(): 1})
	if err != nil {
		r.t.Fatal(err)
	}
	var wrote []string
	for _, rec := range out.Since(0) {
		if err := r.client.ProduceSync(ctx, rec).FirstErr(); err != nil {
			r.t.Fatal(err)
		}
		ends.Wrote(rec)
		wrote = append(wrote, r.show(rec))
	}
	if err := w.Committed(ends); err != nil {
		r.t.Fatal(err)
	}
	return through, wrote
}

// show renders a record that a worker wrote.
func (r *rig) show(rec *kgo.Record) string {
	r.t.Helper()
	_, key, err := schemas.Unframe(rec.Key)
	if err != nil {
		r.t.Fatal(err)
	}
	var body []byte
	if rec.Value != nil {
		if _, body, err = schemas.Unframe(rec.Value); err != nil {
			r.t.Fatal(err)
		}
	}
	text := ""
	switch rec.Topic {
	case r.view():
		text, err = r.showView(key, body)
	case r.input():
		text = fmt.Sprintf("repair live=%t", body != nil)
	case r.cfg.Names.Conflicts():
		var c schemas.Conflict
		c, err = schemas.DecodeConflict(body)
		text = fmt.Sprintf("conflict %s.%s open=%t %s", c.ID, c.Field, c.Open, c.Winner.Value)
		for _, l := range c.Losers {
			text += " over " + l.Value
		}
	default:
		var c schemas.Change
		c, err = schemas.DecodeChange(body)
		text = fmt.Sprintf("change %s.%s %s to %s", c.ID, c.Field, c.Old.String, c.New.String)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return text
}

func (r *rig) showView(key, body []byte) (string, error) {
	id, err := schemas.DecodeViewKey(key)
	if err != nil || body == nil {
		return id + " gone", err
	}
	values, _, err := r.cfg.Codec.SplitView(body, nil)
	if err != nil {
		return "", err
	}
	text := id
	for i, f := range r.cfg.Codec.Entity.Fields[1:] {
		text += " " + renderPlain(f.Type, values[i+1])
	}
	return text, nil
}

func renderPlain(t mesh.Type, value []byte) string {
	if value == nil {
		return "-"
	}
	text, err := schemas.AppendJSON(nil, t, value)
	if err != nil {
		return err.Error()
	}
	return strings.Trim(string(text), `"`)
}

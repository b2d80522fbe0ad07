package normalize

import (
	"context"
	"errors"
	"fmt"

	"tributary/schemas"
	"tributary/schemas/registry"
)

// A plan is everything that is compiled for one value schema of a raw topic.
type plan struct {
	envelope *EnvelopeReader
	row      Envelope
	blocks   []blockPlan // as Config.Targets
}

// A blockPlan maps rows to one block's contributions.
type blockPlan struct {
	target *Target
	mapper *Mapper
	mapped Mapped
	// keys gives ids of source keys; nil where the id does not derive from the key alone, so
	// that state.keys must say what a row contributed to.
	keys *KeyMapper
}

// A planCache compiles schemas when they are first met. Schemas change rarely, so it holds all.
type planCache struct {
	cfg    *Config
	byKey  map[int]*KeyReader
	byID   map[planID]*plan
	newest *plan
	key    int // id of the key schema that was met last
}

type planID struct{ key, value int }

func (c *planCache) init(cfg *Config) {
	*c = planCache{cfg: cfg, byKey: map[int]*KeyReader{}, byID: map[planID]*plan{}}
}

// keyOf gives the reader of a framed key, and the key's body.
func (c *planCache) keyOf(ctx context.Context, framed []byte) (*KeyReader, []byte, error) {
	id, body, err := schemas.Unframe(framed)
	if err != nil {
		return nil, nil, err
	}
	c.key = id
	if k := c.byKey[id]; k != nil {
		return k, body, nil
	}
	text, err := c.cfg.Schemas.Schema(ctx, id)
	if err != nil {
		return nil, nil, unknownOr(err)
	}
	k, err := CompileKey(text)
	if err != nil {
		return nil, nil, outage(err)
	}
	c.byKey[id] = k
	return k, body, nil
}

// valueOf gives the plan of a framed value that follows keyOf, and the value's body.
func (c *planCache) valueOf(ctx context.Context, framed []byte) (*plan, []byte, error) {
	id, body, err := schemas.Unframe(framed)
	if err != nil {
		return nil, nil, err
	}
	p := c.byID[planID{c.key, id}]
	if p == nil {
		text, err := c.cfg.Schemas.Schema(ctx, id)
		if err != nil {
			return nil, nil, unknownOr(err)
		}
		if p, err = c.compile(text); err != nil {
			return nil, nil, outage(err)
		}
		c.byID[planID{c.key, id}] = p
	}
	c.newest = p
	return p, body, nil
}

// latest gives a plan for records without a value: the one met last, or else that of the newest
// schema in the registry.
func (c *planCache) latest(ctx context.Context) (*plan, error) {
	if c.newest != nil {
		return c.newest, nil
	}
	topic := c.cfg.Names.RawID(c.cfg.Stream.ID())
	newest, err := c.cfg.Schemas.Latest(ctx, topic+"-value")
	if err != nil {
		return nil, outage(err)
	}
	if c.newest, err = c.compile(newest.Schema); err != nil {
		return nil, outage(err)
	}
	return c.newest, nil
}

func (c *planCache) compile(schema string) (*plan, error) {
	env, err := CompileEnvelope(schema)
	if err != nil {
		return nil, err
	}
	p := &plan{envelope: env}
	for i := range c.cfg.Targets {
		t := &c.cfg.Targets[i]
		m, err := CompileMapper(t.Codec, t.Block, env)
		if err != nil {
			return nil, fmt.Errorf("stream %s no longer fits the manifest: %w", c.cfg.Stream.ID(), err)
		}
		b := blockPlan{target: t, mapper: m}
		if keys, err := m.BindKey(c.byKey[c.key]); err == nil {
			b.keys = keys
		}
		p.blocks = append(p.blocks, b)
	}
	return p, nil
}

// An outageError is a failure that concerns no single record: the partition waits and tries again.
type outageError struct{ err error }

func (e *outageError) Error() string { return e.err.Error() }
func (e *outageError) Unwrap() error { return e.err }

func outage(err error) error { return &outageError{err} }

// unknownOr lets a record with a schema id that nobody knows become a dead letter; a registry
// that cannot be reached concerns all records.
func unknownOr(err error) error {
	if errors.Is(err, registry.ErrUnknownSchema) {
		return err
	}
	return outage(err)
}

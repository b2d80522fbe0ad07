package node

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/mesh"
	"tributary/topics"
)

// entitySystem is the System of the position records that keep entities' generations.
const entitySystem = "@entity"

// An entityRecord is what is kept of an entity: the generation that is served and the signature
// of the mapping and rules that made it.
type entityRecord struct {
	Generation uint32         `json:"generation"`
	Signature  mesh.Signature `json:"signature"`
}

// A ChangedError says that the manifest no longer says what the views were made by.
type ChangedError struct{ Changes []string }

func (e *ChangedError) Error() string {
	return "the manifest changed what views are made of:\n  " + strings.Join(e.Changes, "\n  ") +
		"\nrun again with --rebuild to derive the changed views anew, or undo the change"
}

// settleGenerations finds each entity's generation. One that is new starts at 1; one whose
// signature changed gets the next, if rebuild allows it (numbers never repeat).
func (n *node) settleGenerations(ctx context.Context) error {
	// A killed ingest's open transaction holds up readers of positions until its successor, which
	// starts behind this, fences it. Generations are written outside of transactions.
	saved, err := topics.PeekPositions(ctx, n.cluster, n.names)
	if err != nil {
		return err
	}
	var changes []string
	var write []*kgo.Record
	for _, e := range n.Mesh.Entities {
		key := topics.PositionKey{System: entitySystem, Stream: e.Name}
		rec, known, err := decodeEntityRecord(saved, key)
		if err != nil {
			return fmt.Errorf("generation of %s: %w", e.Name, err)
		}
		now := e.Signature()
		n.generations[e.Name] = max(1, rec.Generation)
		if known && rec.Signature.Hash() == now.Hash() {
			continue
		}
		if known {
			for _, c := range mesh.DiffSignatures(rec.Signature, now) {
				changes = append(changes, "entity "+e.Name+": "+c)
			}
			n.generations[e.Name] = rec.Generation + 1
		}
		detail, err := json.Marshal(entityRecord{n.generations[e.Name], now})
		if err != nil {
			return err
		}
		write = append(write, n.positionRecord(key, topics.PositionRecord{Detail: detail}))
	}
	if len(changes) > 0 && !n.Rebuild {
		return &ChangedError{changes}
	}
	if len(write) == 0 {
		return nil
	}
	cl, err := n.cluster.Client()
	if err != nil {
		return err
	}
	defer cl.Close()
	return cl.ProduceSync(ctx, write...).FirstErr()
}

func decodeEntityRecord(saved map[topics.PositionKey]topics.PositionRecord, key topics.PositionKey) (rec entityRecord, known bool, err error) {
	p, known := saved[key]
	if !known {
		return rec, false, nil
	}
	return rec, true, json.Unmarshal(p.Detail, &rec)
}

func (n *node) positionRecord(k topics.PositionKey, p topics.PositionRecord) *kgo.Record {
	f := n.frames.positions
	return &kgo.Record{Topic: n.names.Positions(),
		Key: topics.AppendPositionKey(f.Key(nil), k), Value: topics.AppendPositionRecord(f.Value(nil), p)}
}

package resolve

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/schemas"
	"tributary/topics"
)

// entityOf gives the id in a contribution's key, and its Avro bytes, with which all keys of the
// entity begin.
func entityOf(key []byte) (id string, prefix []byte, err error) {
	rd := schemas.NewReader(key)
	id = rd.String()
	return id, key[:len(key)-len(rd.Rest())], rd.Err()
}

// storedValue is how a contribution is kept: 1 and its Avro body, or 0 and the position of a
// retraction.
func storedValue(rec *kgo.Record) ([]byte, error) {
	if rec.Value == nil {
		pos := topics.Header(rec, topics.HeaderPosition)
		if len(pos) != topics.PositionSize {
			return nil, fmt.Errorf("retraction without %s header", topics.HeaderPosition)
		}
		return append([]byte{0}, pos...), nil
	}
	_, body, err := schemas.Unframe(rec.Value)
	if err != nil {
		return nil, err
	}
	if len(body) < topics.PositionSize {
		return nil, schemas.ErrShort
	}
	return append([]byte{1}, body...), nil
}

// positionOf gives the position, with which contributions and retractions both begin.
func positionOf(stored []byte) []byte { return stored[1 : 1+topics.PositionSize] }

// published is the last published record of an entity.
type published struct {
	known bool // a record, or a tombstone, was published
	live  bool
	// incomplete: the entity existed and lacked a required value.
	incomplete bool
	version    schemas.Meta
	values     [][]byte
	meta       []byte // body of _meta
	raw        []byte
}

// readPublished reads the last published record of the entity as the state keeps it.
func (r *resolver) readPublished(value []byte) (err error) {
	r.old.known = true
	r.old.raw = append(r.old.raw[:0], value...)
	if len(value) < 1 {
		return schemas.ErrShort
	}
	if r.old.live = value[0] == 1; !r.old.live {
		r.old.version, err = schemas.DecodeVersion(r.old.raw[1:])
		return err
	}
	if r.old.values, r.old.meta, err = r.codec.SplitView(r.old.raw[1:], r.old.values); err != nil {
		return err
	}
	r.old.version, err = schemas.DecodeVersion(r.old.meta)
	return err
}

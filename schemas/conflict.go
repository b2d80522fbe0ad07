package schemas

import "fmt"

// A Side is one contribution's part in a conflict: what a source row says the field is.
type Side struct {
	Stream    string // "<system>.<stream>"
	SourceKey string // the source row's key as JSON
	Value     string // as JSON
}

// A ConflictKey names what is in conflict. Locale is empty for fields that are not localized.
type ConflictKey struct{ Entity, ID, Field, Locale string }

// A Conflict says that live contributions disagree on a field, which of them was chosen and why;
// or, where Open is false, that they did and now agree.
type Conflict struct {
	ConflictKey
	Open    bool
	Rule    string
	Winner  Side
	Losers  []Side // at most 8
	Since   int64  // µs since 1970: when the conflict opened
	Updated int64  // µs since 1970: when this record was computed
}

// Avro schemas of the conflicts topic.
const (
	ConflictKeySchema = `{"type":"record","name":"ConflictKey","namespace":"tributary","fields":[` + conflictKeyFields + `]}`
	ConflictSchema    = `{"type":"record","name":"Conflict","namespace":"tributary","fields":[` + conflictKeyFields + `,` +
		`{"name":"open","type":"boolean"},{"name":"rule","type":"string"},` +
		`{"name":"winner","type":{"type":"record","name":"Side","fields":[{"name":"stream","type":"string"},{"name":"sourceKey","type":` + jsonType + `},{"name":"value","type":` + jsonType + `}]}},` +
		`{"name":"losers","type":{"type":"array","items":"Side"}},` +
		`{"name":"since","type":` + microsType + `},{"name":"updated","type":` + microsType + `}]}`

	conflictKeyFields = `{"name":"entity","type":"string"},{"name":"id","type":"string"},{"name":"field","type":"string"},{"name":"locale","type":"string"}`
	microsType        = `{"type":"long","logicalType":"timestamp-micros","connect.name":"io.debezium.time.MicroTimestamp"}`
)

// AppendConflictKey appends a key's Avro body.
func AppendConflictKey(dst []byte, k ConflictKey) []byte {
	return AppendString(AppendString(AppendString(AppendString(dst, k.Entity), k.ID), k.Field), k.Locale)
}

// AppendConflict appends a conflict's Avro body.
func AppendConflict(dst []byte, c *Conflict) []byte {
	dst = AppendConflictKey(dst, c.ConflictKey)
	dst = appendSide(AppendString(AppendBool(dst, c.Open), c.Rule), &c.Winner)
	dst = appendArray(dst, c.Losers, appendSide)
	return AppendLong(AppendLong(dst, c.Since), c.Updated)
}

// DecodeConflictKey reads a key's Avro body.
func DecodeConflictKey(body []byte) (ConflictKey, error) {
	r := NewReader(body)
	k := r.conflictKey()
	if r.err != nil {
		return k, fmt.Errorf("key of a conflict: %w", r.err)
	}
	return k, nil
}

// DecodeConflict reads a conflict's Avro body.
func DecodeConflict(body []byte) (c Conflict, err error) {
	r := NewReader(body)
	c.ConflictKey = r.conflictKey()
	c.Open, c.Rule = r.Bool(), r.String()
	c.Winner = r.side()
	r.array(func() { c.Losers = append(c.Losers, r.side()) })
	c.Since, c.Updated = r.Long(), r.Long()
	if r.err != nil {
		return c, fmt.Errorf("conflict of %s: %w", c.Entity, r.err)
	}
	return c, nil
}

func (r *Reader) conflictKey() ConflictKey {
	return ConflictKey{Entity: r.String(), ID: r.String(), Field: r.String(), Locale: r.String()}
}

func appendSide(dst []byte, s *Side) []byte {
	return AppendString(AppendString(AppendString(dst, s.Stream), s.SourceKey), s.Value)
}

func (r *Reader) side() Side {
	return Side{Stream: r.String(), SourceKey: r.String(), Value: r.String()}
}

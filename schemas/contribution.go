package schemas

import "tributary/mesh"

// Kinds of contribution keys.
const (
	KindRow  = "row"  // what a source row says about an entity
	KindHeld = "held" // the mark of a row that lies in the dead letters (I10)
)

// A ContributionKey names one contribution. Record: id, stream, block, sourceKey, kind, all strings.
type ContributionKey struct {
	ID        string // canonical entity id; empty for a held row whose entity is unknown
	Stream    string // "<system>.<stream>"
	Block     string
	SourceKey string
	Kind      string
}

// ContributionKeySchema is the Avro schema of contribution keys; it is the same for all entities.
func ContributionKeySchema() string {
	str := func(name string) object { return object{"name": name, "type": "string"} }
	return schemaText(object{"type": "record", "name": "ContributionKey", "namespace": "tributary",
		"fields": []any{str("id"), str("stream"), str("block"), str("sourceKey"), str("kind")}})
}

// AppendContributionKey appends a key's Avro body.
func AppendContributionKey(dst []byte, k ContributionKey) []byte {
	dst = AppendString(dst, k.ID)
	dst = AppendString(dst, k.Stream)
	dst = AppendString(dst, k.Block)
	dst = AppendString(dst, k.SourceKey)
	return AppendString(dst, k.Kind)
}

// A Contribution is what one source row says about one entity.
type Contribution struct {
	Position   [32]byte
	SourceTime int64 // µs since 1970: the block's `at`, else CommitTime
	CommitTime int64 // µs since 1970
	TxID       int64 // the source's transaction; 0 unknown
	Held       *Held // set for KindHeld only
	// Values holds for each of the entity's fields the Avro value without union branch, nil for
	// null and for fields that the block does not set.
	Values [][]byte
}

// Held is the mark of a dead-lettered row.
type Held struct {
	DLQID  string
	Reason string
	Time   int64 // µs since 1970: the row's commit time, which caps verifiedThrough
}

// ContributionSchema is the Avro schema of the entity's contributions: position, sourceTime,
// commitTime, txId, held, and fields (null for a held mark), a record of all fields, nullable.
func (c *EntityCodec) ContributionSchema() string {
	var fields []any
	for _, f := range c.Entity.Fields {
		fields = append(fields, named(f.Name, nullable(fieldType(f))))
	}
	held := object{"type": "record", "name": "Held", "namespace": "tributary", "fields": []any{
		object{"name": "dlqId", "type": "string"}, object{"name": "reason", "type": "string"},
		object{"name": "time", "type": micros()}}}
	return schemaText(object{"type": "record", "name": "Contribution", "namespace": c.namespace(), "fields": []any{
		object{"name": "position", "type": position()},
		object{"name": "sourceTime", "type": micros()},
		object{"name": "commitTime", "type": micros()},
		object{"name": "txId", "type": "long"},
		named("held", nullable(held)),
		named("fields", nullable(object{"type": "record", "name": "Fields", "namespace": c.namespace(), "fields": fields})),
	}})
}

// AppendContribution appends a contribution's Avro body.
func (c *EntityCodec) AppendContribution(dst []byte, v *Contribution) []byte {
	dst = append(dst, v.Position[:]...)
	dst = AppendLong(dst, v.SourceTime)
	dst = AppendLong(dst, v.CommitTime)
	dst = AppendLong(dst, v.TxID)
	if v.Held != nil {
		dst = append(dst, 2)
		dst = AppendString(dst, v.Held.DLQID)
		dst = AppendString(dst, v.Held.Reason)
		dst = AppendLong(dst, v.Held.Time)
		return append(dst, 0)
	}
	return appendValues(append(dst, 0, 2), v.Values)
}

// DecodeContribution reads a contribution's Avro body into v, whose Values are reused and point
// into body.
func (c *EntityCodec) DecodeContribution(body []byte, v *Contribution) error {
	r := NewReader(body)
	copy(v.Position[:], r.Fixed(len(v.Position)))
	v.SourceTime, v.CommitTime, v.TxID = r.Long(), r.Long(), r.Long()
	v.Held, v.Values = nil, v.Values[:0]
	if r.Long() == 1 {
		v.Held = &Held{DLQID: r.String(), Reason: r.String(), Time: r.Long()}
	}
	if r.Long() == 1 {
		for _, skip := range c.skips {
			v.Values = append(v.Values, r.readValue(skip))
		}
	}
	return r.Err()
}

// Sets gives for each field of the entity whether the block sets it.
func (c *EntityCodec) Sets(b *mesh.Block) []bool {
	sets := make([]bool, len(c.Entity.Fields))
	for i, f := range c.Entity.Fields {
		for _, a := range b.Set {
			sets[i] = sets[i] || a.Field == f.Name
		}
	}
	return sets
}

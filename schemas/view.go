package schemas

// A View is one resolved entity.
type View struct {
	// Values holds for each of the entity's fields the Avro value without union branch, nil for null.
	Values [][]byte
	Meta   Meta
}

// Meta is a view's _meta: version (I9), the source rows that had a say, and for each field who
// won and why.
type Meta struct {
	Generation uint32
	Partition  int32
	Offset     int64
	N          uint32
	Policy     string // hash of the rules that resolved it
	Held       []HeldRow
	Sources    []SourceRef
	Fields     []Provenance
}

// A SourceRef names one source row.
type SourceRef struct {
	Stream     string
	Block      string
	SourceKey  string
	Position   [32]byte
	SourceTime int64 // µs since 1970
	CommitTime int64 // µs since 1970
	TxID       int64 // 0 unknown
}

// Provenance says where a field's value comes from.
type Provenance struct {
	Field  string
	Locale string // "" unless the field is localized
	Rule   string
	// Winner is an index of Sources, −1 where no single row won: sums, counts, or no value.
	Winner int32
	// Inputs are the first rows that an aggregate was made of; InputCount counts all.
	Inputs     []int32
	InputCount int64
	Losers     []Loser // at most 8, in order of rank
	LoserCount int64
	// Conflict says that live contributions disagree, or that a system which does not own the
	// field set it.
	Conflict bool
}

// A Loser is a candidate that was not chosen.
type Loser struct {
	Source int32 // index of Sources
	Value  []byte
}

// A HeldRow is a source row of the entity that lies in the dead letters (I10).
type HeldRow struct {
	Stream    string
	SourceKey string
	DLQID     string
	Time      int64 // µs since 1970: caps verifiedThrough
}

// ViewKeySchema is the Avro schema of the view's keys: a record of the key field as its
// canonical text.
func (c *EntityCodec) ViewKeySchema() string {
	return schemaText(object{"type": "record", "name": "Key", "namespace": c.namespace(),
		"fields": []any{object{"name": c.Entity.Key, "type": "string"}}})
}

// AppendViewKey appends a view key's Avro body.
func AppendViewKey(dst []byte, id string) []byte { return AppendString(dst, id) }

// DecodeViewKey reads a view key's Avro body.
func DecodeViewKey(body []byte) (string, error) {
	r := NewReader(body)
	id := r.String()
	return id, r.Err()
}

// ViewSchema is the Avro schema of the entity's view: its fields flat and nullable, so that
// fields can come and go compatibly, and _meta.
func (c *EntityCodec) ViewSchema() string {
	var fields []any
	for _, f := range c.Entity.Fields {
		fields = append(fields, named(f.Name, nullable(fieldType(f))))
	}
	fields = append(fields, object{"name": "_meta", "type": metaSchema()})
	return schemaText(object{"type": "record", "name": "View", "namespace": c.namespace(), "fields": fields})
}

func metaSchema() object {
	field := func(name string, t any) object { return object{"name": name, "type": t} }
	array := func(items any) object { return object{"type": "array", "items": items} }
	record := func(name string, fields ...any) object {
		return object{"type": "record", "name": name, "namespace": "tributary", "fields": fields}
	}
	source := record("SourceRef", field("stream", "string"), field("block", "string"), field("sourceKey", "string"),
		field("position", position()), field("sourceTime", micros()), field("commitTime", micros()), field("txId", "long"))
	loser := record("Loser", field("source", "int"), field("value", "bytes"))
	provenance := record("Provenance", field("field", "string"), field("locale", "string"), field("rule", "string"),
		field("winner", "int"), field("inputs", array("int")), field("inputCount", "long"),
		field("losers", array(loser)), field("loserCount", "long"), field("conflict", "boolean"))
	held := record("HeldRow", field("stream", "string"), field("sourceKey", "string"), field("dlqId", "string"), field("time", micros()))
	return record("Meta", field("generation", "int"), field("partition", "int"), field("offset", "long"), field("n", "int"),
		field("policy", "string"), field("held", array(held)), field("sources", array(source)), field("fields", array(provenance)))
}

// AppendView appends a view's Avro body.
func (c *EntityCodec) AppendView(dst []byte, v *View) []byte {
	return AppendMeta(appendValues(dst, v.Values), &v.Meta)
}

// SplitView reads a view's Avro body: its values, reusing the slice, and the body of its _meta.
// Both point into body.
func (c *EntityCodec) SplitView(body []byte, values [][]byte) (_ [][]byte, meta []byte, _ error) {
	r := NewReader(body)
	values = values[:0]
	for _, skip := range c.skips {
		values = append(values, r.readValue(skip))
	}
	return values, r.Rest(), r.Err()
}

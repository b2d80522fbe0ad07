// Package mesh is the manifest: its types, defaults, validation and hashes. In goes the text of
// a manifest, out comes a Mesh in which every reference is resolved, or every fault of it at
// once. It does no I/O beyond reading the files it is given.
package mesh

import "time"

// Embedded is the value of a part's address that makes Tributary start the part itself.
const Embedded = "embedded"

// A Mesh is everything that one manifest describes. All references in it are resolved.
type Mesh struct {
	Name      string
	Kafka     Kafka
	Registry  Registry
	Views     Views
	Analytics Analytics
	Topics    Topics
	// MaxOutage is how long a stateful consumer may be away and still resume (default 7 days).
	MaxOutage time.Duration
	Addrs     Addrs
	Systems   []*System
	Entities  []*Entity
}

// Kafka names the broker: Bootstrap is "embedded" or host:port,host:port.
type Kafka struct {
	Bootstrap string
	TLS       bool
	SASL      SASL
}

// SASL holds the credentials for a broker; an empty Mechanism means none.
type SASL struct {
	Mechanism string // PLAIN, SCRAM-SHA-256, SCRAM-SHA-512
	Username  Secret
	Password  Secret
}

// Registry names the schema registry: "embedded" or the URL of a Confluent-compatible one.
type Registry struct {
	URL      string
	Username Secret
	Password Secret
}

// Views names the view store: "sqlite", or a postgres:// URL.
type Views struct{ Store Secret }

// Analytics names the ClickHouse server: "embedded", "none", or a clickhouse:// URL.
type Analytics struct{ ClickHouse Secret }

// Topics holds defaults for topics. Partitions 0 means 4 embedded, 12 on Kafka.
type Topics struct{ Partitions int32 }

// Addrs are listening addresses from the manifest (host:port); empty means the default port on
// loopback. Command-line flags win over them.
type Addrs struct{ Gateway, Registry, Admin, Kafka, ClickHouse string }

// Secret is a value that came from a ${NAME} reference, or plain text without one. It never
// prints its value: String gives the reference.
type Secret struct {
	Ref   string // the text of the manifest, e.g. "${ERP_DATABASE_URL}"
	value string
}

// NewSecret makes a Secret that was written as ref and resolved to value.
func NewSecret(ref, value string) Secret { return Secret{Ref: ref, value: value} }

// Reveal gives the value. Only code that dials with it calls this (I11).
func (s Secret) Reveal() string { return s.value }

// String gives the reference, never the value (I11).
func (s Secret) String() string { return s.Ref }

// A System is an upstream with an owner.
type System struct {
	Name       string
	Kind       string // "postgres"
	Connection Secret
	Owner      string
	Streams    []*Stream
	Pos        Pos
}

// A Stream is one table of a system.
type Stream struct {
	System *System
	Name   string
	Table  string // SQL name as written: public.mara, "Odd Schema"."T"
	Before bool   // whether envelopes carry the old row where the source gives it
	Pos    Pos
}

// ID is "<system>.<stream>".
func (s *Stream) ID() string { return s.System.Name + "." + s.Name }

// An Entity is a business object keyed by its own id.
type Entity struct {
	Name          string
	Plural        string // for REST and GraphQL; defaults to the English plural of Name
	Key           string // the field that is the id
	Owner         string
	Description   string
	Fields        []*Field // in the manifest's order; includes the key field
	Relations     []*Relation
	Contributions []*Block
	Pos           Pos
}

// Field gives the field of that name, or nil.
func (e *Entity) Field(name string) *Field {
	for _, f := range e.Fields {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// Streams gives the distinct streams that contribute to the entity, in the order of their blocks.
func (e *Entity) Streams() []*Stream {
	var out []*Stream
	seen := map[*Stream]bool{}
	for _, b := range e.Contributions {
		if !seen[b.From] {
			seen[b.From] = true
			out = append(out, b.From)
		}
	}
	return out
}

// A Field of an entity, with the rule that resolves it.
type Field struct {
	Name           string
	Type           Type
	Required       bool // always true for the key
	Unique         bool
	Localized      bool
	Rule           Rule   // of a group's member: its lead's
	Group          string // name of the lead field whose winner this field takes; "" for none
	Freshness      Freshness
	Classification string // "", "pii"
	Validate       string // CEL over value; "" means every value of the type is good
	Description    string
	Deprecated     string
	Pos            Pos
}

// Freshness holds the bounds of staleness of a field; zero means none.
type Freshness struct{ Warn, Error time.Duration }

// RuleName names a survivorship rule.
type RuleName string

// The survivorship rules. Only is the rule of a field that one stream sets, and of the key.
const (
	Only       RuleName = "only"
	Owner      RuleName = "owner"
	Priority   RuleName = "priority"
	MostRecent RuleName = "most_recent"
	Min        RuleName = "min"
	Max        RuleName = "max"
	Sum        RuleName = "sum"
	Count      RuleName = "count"
)

// A Rule says how a field's value is chosen. From holds system names or stream ids: for owner
// exactly one, for priority in falling rank, for the others the streams that take part (empty:
// all that set the field).
type Rule struct {
	Name RuleName
	From []string
}

// A Relation leads from an entity to others: On maps a field of the target to a field of this
// entity whose value it equals. One is true where the manifest says `one: true` or where On
// names the target's key.
type Relation struct {
	Name   string
	Target *Entity
	// TargetField = this entity's LocalField.
	TargetField string
	LocalField  string
	One         bool
	Pos         Pos
}

// A Block is one entry of an entity's contributions: how rows of a stream become contributions.
type Block struct {
	// Name is unique in the entity: the stream's id, with "#2", "#3" … for further blocks of
	// the same stream, unless the manifest names it.
	Name string
	From *Stream
	Key  string // CEL over row: the entity id
	When string // CEL over row: false retracts; "" means always
	At   string // CEL over row: source time; "" means commit time
	Set  []Assignment
	Pos  Pos
	// KeyPos, WhenPos and AtPos are where the expressions' texts begin.
	KeyPos, WhenPos, AtPos Pos
}

// An Assignment gives a field the value of an expression over row. Pos is where the
// expression's text begins.
type Assignment struct {
	Field string
	Expr  string
	Pos   Pos
}

// Pos is a place in a manifest's file; lines and columns count from 1.
type Pos struct {
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

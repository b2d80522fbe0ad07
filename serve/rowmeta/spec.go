package rowmeta

import (
	"tributary/serve/catalog"
	"tributary/serve/freshness"
)

// A Spec says what one _meta shows. Its index in Row.Specs is views.Item.Meta.
type Spec struct {
	Entity  *catalog.Entity
	Bounds  freshness.Bounds
	Members []Member
}

// Kind names a member of _meta.
type Kind uint8

// The members of _meta, of its streams and of its fields.
const (
	Typename Kind = iota + 1
	Version
	VerifiedThrough
	StalenessMs
	StateName
	DeadLetters
	Streams
	Fields
	Name
	Locale
	System
	Stream
	SourceKey
	Rule
	ChangedAt
	Conflict
)

// A Member is one member of a _meta, under the name As.
type Member struct {
	As       string
	Kind     Kind
	Typename string
	Sub      []Member // of Streams and Fields
	// Names limits Fields to these outside names; Names.All shows all.
	Names Names
}

// Names is a list of names, or all.
type Names struct {
	All  bool
	List []string
	// Variable is the name of the request's variable that holds the list; "" for List itself.
	Variable string
}

// RowMembers is all that REST shows of a row with include=provenance, in the order of the
// architecture's section 8.
func RowMembers(fields Names) []Member {
	return []Member{
		{As: "version", Kind: Version}, {As: "verifiedThrough", Kind: VerifiedThrough}, {As: "stalenessMs", Kind: StalenessMs},
		{As: "state", Kind: StateName}, {As: "deadLetters", Kind: DeadLetters},
		{As: "streams", Kind: Streams, Sub: []Member{
			{As: "name", Kind: Name}, {As: "verifiedThrough", Kind: VerifiedThrough}, {As: "state", Kind: StateName},
		}},
		{As: "fields", Kind: Fields, Names: fields, Sub: []Member{
			{As: "name", Kind: Name}, {As: "locale", Kind: Locale}, {As: "system", Kind: System}, {As: "stream", Kind: Stream},
			{As: "sourceKey", Kind: SourceKey}, {As: "rule", Kind: Rule}, {As: "changedAt", Kind: ChangedAt}, {As: "conflict", Kind: Conflict},
		}}}
}

// NeedsBlob says whether the members need views.Row.Meta.
func NeedsBlob(members []Member) bool {
	for _, m := range members {
		if m.Kind == Fields {
			return true
		}
	}
	return false
}

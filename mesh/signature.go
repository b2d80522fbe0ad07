package mesh

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
)

// A Signature is what decides an entity's contributions and view, in a form that is kept beside
// its generation: canonical JSON, without order, comments and descriptions.
type Signature struct {
	Entity string `json:"entity"`
	// Mapping decides the contributions; when it differs they are derived anew from raw.
	Mapping Mapping `json:"mapping"`
	// Rules decide the view; when they alone differ the running contributions serve.
	Rules map[string]RuleSignature `json:"rules"`
}

// A Mapping is how rows become an entity's contributions.
type Mapping struct {
	Key    string                    `json:"key"`
	Fields map[string]FieldSignature `json:"fields"`
	Blocks map[string]BlockSignature `json:"blocks"`
}

// A FieldSignature is what a field's values may be.
type FieldSignature struct {
	Type      string `json:"type"`
	Localized bool   `json:"localized,omitempty"`
	Validate  string `json:"validate,omitempty"`
}

// A BlockSignature is how rows of a stream contribute.
type BlockSignature struct {
	Stream string            `json:"stream"`
	Kind   string            `json:"kind"`
	Table  string            `json:"table"`
	Key    string            `json:"key"`
	When   string            `json:"when,omitempty"`
	At     string            `json:"at,omitempty"`
	Set    map[string]string `json:"set,omitempty"`
}

// A RuleSignature is how a field is chosen and published.
type RuleSignature struct {
	Rule     RuleName `json:"rule,omitempty"`
	From     []string `json:"from,omitempty"`
	Group    string   `json:"group,omitempty"`
	Required bool     `json:"required,omitempty"`
	Unique   bool     `json:"unique,omitempty"`
	// Localized stands here too: a view holds such a field by locale.
	Localized bool `json:"localized,omitempty"`
}

// Signature gives the entity's signature.
func (e *Entity) Signature() Signature {
	s := Signature{Entity: e.Name, Rules: map[string]RuleSignature{},
		Mapping: Mapping{Key: e.Key, Fields: map[string]FieldSignature{}, Blocks: map[string]BlockSignature{}}}
	for _, f := range e.Fields {
		s.Mapping.Fields[f.Name] = FieldSignature{f.Type.canonical(), f.Localized, trim(f.Validate)}
		s.Rules[f.Name] = f.ruleSignature()
	}
	for _, b := range e.Contributions {
		set := map[string]string{}
		for _, a := range b.Set {
			set[a.Field] = trim(a.Expr)
		}
		s.Mapping.Blocks[b.Name] = BlockSignature{b.From.ID(), b.From.System.Kind, b.From.Table, trim(b.Key), trim(b.When), trim(b.At), set}
	}
	return s
}

// ruleSignature tells of a group's member only whom it follows, as its rule is the lead's.
func (f *Field) ruleSignature() RuleSignature {
	r := RuleSignature{Group: f.Group, Required: f.Required, Unique: f.Unique, Localized: f.Localized}
	if f.Group == "" {
		r.Rule, r.From = f.Rule.Name, slices.Clone(f.Rule.From)
	}
	if r.Rule != Priority {
		slices.Sort(r.From)
	}
	return r
}

// canonical is the type's text without the order of an enum's symbols.
func (t Type) canonical() string {
	t.Symbols = slices.Sorted(slices.Values(t.Symbols))
	if t.Elem != nil {
		return "list<" + t.Elem.canonical() + ">"
	}
	return t.String()
}

func trim(expression string) string { return strings.TrimSpace(expression) }

// Hash is the SHA-256 of the signature's canonical JSON, in hex.
func (s Signature) Hash() string { return hash(s) }

// MappingHash is the hash of what decides the entity's contributions: key, field types, streams
// and expressions. It does not see order, comments and descriptions.
func (e *Entity) MappingHash() string { return hash(e.Signature().Mapping) }

// RuleHash is the hash of what decides the entity's view: rules, groups, required, unique and
// localized fields. It does not see order, comments and descriptions.
func (e *Entity) RuleHash() string { return hash(e.Signature().Rules) }

// hash is the SHA-256 of v's JSON. encoding/json writes maps by key, so that it is canonical.
func hash(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return "" // never: signatures hold only strings, flags, and lists and maps of them
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// MappingDiffers says whether contributions made under s differ from those under o.
func (s Signature) MappingDiffers(o Signature) bool { return hash(s.Mapping) != hash(o.Mapping) }

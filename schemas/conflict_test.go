package schemas

import (
	"database/sql"
	"reflect"
	"testing"

	"github.com/hamba/avro/v2"
	"pgregory.net/rapid"
)

func sides(t *rapid.T) []Side {
	var out []Side
	for range rapid.IntRange(0, 8).Draw(t, "losers") {
		out = append(out, Side{rapid.String().Draw(t, "stream"), rapid.String().Draw(t, "key"), rapid.String().Draw(t, "value")})
	}
	return out
}

func conflictKey(t *rapid.T) ConflictKey {
	return ConflictKey{rapid.String().Draw(t, "entity"), rapid.String().Draw(t, "id"), rapid.String().Draw(t, "field"), rapid.String().Draw(t, "locale")}
}

func TestConflictIsWhatItsSchemaSays(t *testing.T) {
	key, value := avro.MustParse(ConflictKeySchema), avro.MustParse(ConflictSchema)
	rapid.Check(t, func(t *rapid.T) {
		c := Conflict{ConflictKey: conflictKey(t), Open: rapid.Bool().Draw(t, "open"), Rule: "owner",
			Winner: Side{"erp.material", `["1"]`, `"x"`}, Losers: sides(t),
			Since: rapid.Int64().Draw(t, "since"), Updated: rapid.Int64().Draw(t, "updated")}
		body := AppendConflict(nil, &c)
		if got, err := DecodeConflict(body); err != nil || !reflect.DeepEqual(got, c) {
			t.Fatalf("decoded %+v, %v; want %+v", got, err, c)
		}
		fields := readAvro(t, value, body)
		if fields["id"] != c.ID || fields["open"] != c.Open || len(fields["losers"].([]any)) != len(c.Losers) {
			t.Fatalf("another Avro library reads %v from %+v", fields, c)
		}
		keyBody := AppendConflictKey(nil, c.ConflictKey)
		if got, err := DecodeConflictKey(keyBody); err != nil || got != c.ConflictKey {
			t.Fatalf("decoded key %+v, %v", got, err)
		}
		if readAvro(t, key, keyBody)["locale"] != c.Locale {
			t.Fatal("another Avro library reads another key")
		}
		noPrefixDecodes(t, body, func(b []byte) error { _, err := DecodeConflict(b); return err })
	})
}

func TestChangeIsWhatItsSchemaSays(t *testing.T) {
	key, value := avro.MustParse(ChangeKeySchema), avro.MustParse(ChangeSchema)
	rapid.Check(t, func(t *rapid.T) {
		text := func(name string) sql.NullString {
			if rapid.Bool().Draw(t, name+" null") {
				return sql.NullString{}
			}
			return sql.NullString{String: rapid.String().Draw(t, name), Valid: true}
		}
		c := Change{ChangeKey: ChangeKey{"product", rapid.String().Draw(t, "id")}, Field: rapid.String().Draw(t, "field"),
			Old: text("old"), New: text("new"), Stream: "erp.material", SourceKey: `["1"]`,
			Version:    Version{rapid.Uint32().Draw(t, "g"), rapid.Int32().Draw(t, "p"), rapid.Int64().Draw(t, "o"), rapid.Uint32().Draw(t, "n")},
			SourceTime: sql.NullInt64{Int64: 7, Valid: true}, ChangedAt: rapid.Int64().Draw(t, "at")}
		if rapid.Bool().Draw(t, "no source time") {
			c.SourceTime = sql.NullInt64{}
		}
		body := AppendChange(nil, &c)
		if got, err := DecodeChange(body); err != nil || got != c {
			t.Fatalf("decoded %+v, %v; want %+v", got, err, c)
		}
		fields := readAvro(t, value, body)
		if fields["changeId"] != c.ChangeID() || (fields["new"] == nil) == c.New.Valid {
			t.Fatalf("another Avro library reads %v from %+v", fields, c)
		}
		if readAvro(t, key, AppendChangeKey(nil, c.ChangeKey))["id"] != c.ID {
			t.Fatal("another Avro library reads another key")
		}
		noPrefixDecodes(t, body, func(b []byte) error { _, err := DecodeChange(b); return err })
	})
}

func TestChangeIDTellsChangesApart(t *testing.T) {
	c := Change{ChangeKey: ChangeKey{"product", "1"}, Field: "price", Version: Version{1, 2, 3, 4}}
	other := c
	other.Version.N++
	moved := c
	moved.ID, moved.Field = "1price", ""
	if c.ChangeID() == other.ChangeID() || c.ChangeID() == moved.ChangeID() || len(c.ChangeID()) != 32 {
		t.Errorf("ids %s, %s, %s", c.ChangeID(), other.ChangeID(), moved.ChangeID())
	}
}

// readAvro decodes a body with another library and fails if it leaves bytes.
func readAvro(t *rapid.T, schema avro.Schema, body []byte) map[string]any {
	r := avro.NewReader(nil, 0)
	r.Reset(body)
	var fields map[string]any
	r.ReadVal(schema, &fields)
	if r.Error != nil {
		t.Fatalf("another Avro library cannot read it: %v", r.Error)
	}
	if r.ReadBool(); r.Error == nil {
		t.Fatal("another Avro library leaves bytes unread")
	}
	return fields
}

func noPrefixDecodes(t *rapid.T, body []byte, decode func([]byte) error) {
	n := rapid.IntRange(0, len(body)-1).Draw(t, "cut at")
	if decode(body[:n]) == nil {
		t.Fatalf("the first %d of %d bytes decode without an error", n, len(body))
	}
}

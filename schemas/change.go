package schemas

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
)

// A ChangeKey names the entity that changed.
type ChangeKey struct{ Entity, ID string }

// A Version is a view's version (I9), which rises with every published record of an entity.
type Version struct {
	Generation uint32
	Partition  int32
	Offset     int64
	N          uint32
}

// A Change is one field's new value in a view.
type Change struct {
	ChangeKey
	Field  string
	Locale string         // empty for fields that are not localized
	Old    sql.NullString // as JSON; null: the field had no value
	New    sql.NullString // as JSON; null: the field lost its value
	// Version is the view's version that brought the value.
	Version    Version
	Stream     string        // of the winning contribution; empty where it has none
	SourceKey  string        // of the winning contribution, as JSON
	SourceTime sql.NullInt64 // µs since 1970, on the source's clock
	ChangedAt  int64         // µs since 1970: when the view was computed
}

// Avro schemas of the changes topic.
const (
	ChangeKeySchema = `{"type":"record","name":"ChangeKey","namespace":"tributary","fields":[{"name":"entity","type":"string"},{"name":"id","type":"string"}]}`
	ChangeSchema    = `{"type":"record","name":"Change","namespace":"tributary","fields":[` +
		`{"name":"changeId","type":"string"},{"name":"entity","type":"string"},{"name":"id","type":"string"},{"name":"field","type":"string"},{"name":"locale","type":"string"},` +
		`{"name":"old","type":["null",` + jsonType + `],"default":null},{"name":"new","type":["null",` + jsonType + `],"default":null},` +
		`{"name":"version","type":{"type":"record","name":"Version","fields":[{"name":"generation","type":"long"},{"name":"partition","type":"int"},{"name":"offset","type":"long"},{"name":"n","type":"long"}]}},` +
		`{"name":"stream","type":"string"},{"name":"sourceKey","type":` + jsonType + `},` +
		`{"name":"sourceTime","type":["null",` + microsType + `],"default":null},{"name":"changedAt","type":` + microsType + `}]}`

	jsonType = `{"type":"string","connect.name":"io.debezium.data.Json"}`
)

// ChangeID identifies a change wherever it is written again: 32 hex digits of the SHA-256 of
// entity, id, field, locale and version.
func (c *Change) ChangeID() string {
	var buf [256]byte
	b := AppendString(AppendString(buf[:0], c.Entity), c.ID)
	b = appendVersionOf(AppendString(AppendString(b, c.Field), c.Locale), c.Version)
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// AppendChangeKey appends a key's Avro body.
func AppendChangeKey(dst []byte, k ChangeKey) []byte {
	return AppendString(AppendString(dst, k.Entity), k.ID)
}

// AppendChange appends a change's Avro body, its id included.
func AppendChange(dst []byte, c *Change) []byte {
	dst = AppendChangeKey(AppendString(dst, c.ChangeID()), c.ChangeKey)
	dst = AppendString(AppendString(dst, c.Field), c.Locale)
	dst = AppendNullString(AppendNullString(dst, c.Old), c.New)
	dst = appendVersionOf(dst, c.Version)
	dst = AppendString(AppendString(dst, c.Stream), c.SourceKey)
	return AppendLong(AppendNullLong(dst, c.SourceTime), c.ChangedAt)
}

// DecodeChange reads a change's Avro body.
func DecodeChange(body []byte) (c Change, err error) {
	r := NewReader(body)
	id := r.String()
	c.Entity, c.ID, c.Field, c.Locale = r.String(), r.String(), r.String(), r.String()
	c.Old, c.New = r.NullString(), r.NullString()
	c.Version = Version{Generation: uint32(r.Long()), Partition: int32(r.Long()), Offset: r.Long(), N: uint32(r.Long())}
	c.Stream, c.SourceKey = r.String(), r.String()
	c.SourceTime, c.ChangedAt = r.NullLong(), r.Long()
	if r.err != nil {
		return c, fmt.Errorf("change of %s: %w", c.Entity, r.err)
	}
	if id != c.ChangeID() {
		return c, fmt.Errorf("change of %s: its id is not the hash of its entity, id, field and version", c.Entity)
	}
	return c, nil
}

func appendVersionOf(dst []byte, v Version) []byte {
	dst = AppendLong(AppendLong(dst, int64(v.Generation)), int64(v.Partition))
	return AppendLong(AppendLong(dst, v.Offset), int64(v.N))
}

// AppendNullLong appends a union of null and long, null being the first branch.
func AppendNullLong(dst []byte, v sql.NullInt64) []byte {
	if !v.Valid {
		return append(dst, 0)
	}
	return AppendLong(append(dst, 2), v.Int64)
}

// AppendNullString appends a union of null and string, null being the first branch.
func AppendNullString(dst []byte, v sql.NullString) []byte {
	if !v.Valid {
		return append(dst, 0)
	}
	return AppendString(append(dst, 2), v.String)
}

// NullLong reads a union of null and long, null being the first branch.
func (r *Reader) NullLong() (v sql.NullInt64) {
	if v.Valid = r.branch(); v.Valid {
		v.Int64 = r.Long()
	}
	return v
}

// NullString reads a union of null and string, null being the first branch.
func (r *Reader) NullString() (v sql.NullString) {
	if v.Valid = r.branch(); v.Valid {
		v.String = r.String()
	}
	return v
}

// branch reads which branch of a union with null as its first is there.
func (r *Reader) branch() bool {
	switch r.Long() {
	case 0:
		return false
	case 1:
		return true
	}
	r.fail()
	return false
}

package registry

import (
	"bytes"
	"crypto/md5"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The records of the topic _schemas that this registry writes or reads. Keys are compared as
// bytes by compaction, so their members stand in Confluent's order without white space.
const (
	keySchema        = "SCHEMA"
	keyConfig        = "CONFIG"
	keyMode          = "MODE"
	keyDeleteSubject = "DELETE_SUBJECT"
	keyNoop          = "NOOP"
)

// headerMaxID stands on the global MODE record: the highest id ever given out, so that an id is
// not given out again after its schema was deleted for good and compacted away. Old records
// that carry the id would otherwise be read with another schema.
const headerMaxID = "tributary-max-id"

type schemaKey struct {
	KeyType string `json:"keytype"`
	Subject string `json:"subject"`
	Version int    `json:"version"`
	Magic   int    `json:"magic"`
}

type subjectKey struct {
	KeyType string  `json:"keytype"`
	Subject *string `json:"subject"`
	Magic   int     `json:"magic"`
}

type noopKey struct {
	KeyType string `json:"keytype"`
	Magic   int    `json:"magic"`
}

// recordKey reads any key; members that a key type lacks stay zero.
type recordKey struct {
	KeyType string `json:"keytype"`
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

type schemaValue struct {
	Subject    string      `json:"subject"`
	Version    int         `json:"version"`
	ID         int         `json:"id"`
	MD5        []byte      `json:"md5,omitempty"`
	SchemaType string      `json:"schemaType,omitempty"`
	References []reference `json:"references,omitempty"`
	Schema     string      `json:"schema"`
	Deleted    bool        `json:"deleted"`
}

type configValue struct {
	Subject string `json:"subject,omitempty"`
	Level   string `json:"compatibilityLevel"`
}

type modeValue struct {
	Mode string `json:"mode"`
}

type deleteValue struct {
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

// A reference names a type that another subject's version defines.
type reference struct {
	Name    string `json:"name"`
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

func schemaRecord(subject string, v *version) *kgo.Record {
	return record(schemaKey{keySchema, subject, v.number, 1}, schemaValue{
		Subject: subject, Version: v.number, ID: v.id, MD5: v.content.md5[:],
		SchemaType: omitAvro(v.content.schemaType), References: v.content.references,
		Schema: v.content.text, Deleted: v.deleted,
	})
}

// omitAvro leaves the schema type out for Avro, as Confluent does in its topic.
func omitAvro(schemaType string) string {
	if schemaType == typeAvro {
		return ""
	}
	return schemaType
}

func schemaTombstone(subject string, number int) *kgo.Record {
	return tombstone(schemaKey{keySchema, subject, number, 1})
}

func configRecord(subject string, level string) *kgo.Record {
	return record(subjectKey{KeyType: keyConfig, Subject: orNull(subject)}, configValue{subject, level})
}

func subjectTombstone(keyType, subject string) *kgo.Record {
	return tombstone(subjectKey{KeyType: keyType, Subject: orNull(subject)})
}

func deleteSubjectRecord(subject string, upTo int) *kgo.Record {
	return record(subjectKey{KeyType: keyDeleteSubject, Subject: &subject}, deleteValue{subject, upTo})
}

func maxIDRecord(id int) *kgo.Record {
	r := record(subjectKey{KeyType: keyMode}, modeValue{modeReadWrite})
	r.Headers = []kgo.RecordHeader{{Key: headerMaxID, Value: strconv.AppendInt(nil, int64(id), 10)}}
	return r
}

// barrierRecord changes nothing; who reads it knows that all earlier writes are read.
func barrierRecord() *kgo.Record {
	r := tombstone(noopKey{KeyType: keyNoop})
	r.Value = []byte{}
	return r
}

func orNull(subject string) *string {
	if subject == "" {
		return nil
	}
	return &subject
}

func record(key, value any) *kgo.Record {
	return &kgo.Record{Key: encode(key), Value: encode(value)}
}

func tombstone(key any) *kgo.Record { return &kgo.Record{Key: encode(key)} }

// encode writes JSON as Confluent does: compact, and without escaping < > &.
func encode(v any) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	// The types above hold strings, numbers and slices of them: they always encode.
	_ = enc.Encode(v)
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

// fingerprint is Confluent's content hash: MD5 over the text, then each reference.
func fingerprint(text string, refs []reference) [md5.Size]byte {
	h := md5.New()
	_, _ = h.Write([]byte(text)) // a hash never fails to write
	for _, r := range refs {
		_, _ = fmt.Fprintf(h, "%s%s%d", r.Name, r.Subject, r.Version)
	}
	return [md5.Size]byte(h.Sum(nil))
}

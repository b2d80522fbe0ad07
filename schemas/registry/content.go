package registry

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

const (
	typeAvro     = "AVRO"
	typeJSON     = "JSON"
	typeProtobuf = "PROTOBUF"
)

// A content is what an id stands for. It never changes.
type content struct {
	schemaType string
	text       string // compact JSON, as first registered
	references []reference
	identity   [sha256.Size]byte
	md5        [md5.Size]byte
}

func newContent(schemaType, text string, refs []reference) *content {
	if schemaType == "" {
		schemaType = typeAvro
	}
	if schemaType == typeAvro {
		text = compact(text)
	}
	return &content{
		schemaType: schemaType, text: text, references: refs,
		identity: identity(schemaType, text, refs), md5: fingerprint(text, refs),
	}
}

// guid is the content's name across registries: its hash, written as a UUID.
func (c *content) guid() string {
	h := hex.EncodeToString(c.md5[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func compact(text string) string {
	var buf bytes.Buffer
	if json.Compact(&buf, []byte(text)) != nil {
		return text
	}
	return buf.String()
}

// identity is equal for schemas that say the same: white space, the order of members and
// {"type":"string"} for "string" do not count; names, docs, defaults and all other properties do.
func identity(schemaType, text string, refs []reference) [sha256.Size]byte {
	canonical := []byte(text)
	dec := json.NewDecoder(bytes.NewReader(canonical))
	dec.UseNumber() // a default of 1.10 is not one of 1.1: the numbers' texts count
	var v any
	if schemaType == typeAvro && dec.Decode(&v) == nil {
		canonical = encode(unwrap(v))
	}
	canonical = append(canonical, 0)
	return sha256.Sum256(append(append(canonical, schemaType...), encode(refs)...))
}

// unwrap replaces {"type":"string"} by "string", except in defaults, which are values.
func unwrap(v any) any {
	switch t := v.(type) {
	case []any:
		for i := range t {
			t[i] = unwrap(t[i])
		}
	case map[string]any:
		if name, ok := t["type"].(string); ok && len(t) == 1 {
			return name
		}
		for k := range t {
			if k != "default" {
				t[k] = unwrap(t[k])
			}
		}
	}
	return v
}

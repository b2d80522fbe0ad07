package topics

import (
	"fmt"

	"tributary/schemas"
)

// A ClaimKey names the watermark of one input of a writer. Record: topic, stream, input.
type ClaimKey struct {
	Topic  string // the topic that the writer writes to
	Stream string // "<system>.<stream>"
	Input  int32  // the input partition: of the raw topic for contributions, of contributions for views, 0 at ingest
}

// A Claim is a watermark (I4): every transaction of the stream acknowledged before Time, and
// every one up to Position, is in the topic in front of Ends.
type Claim struct {
	Position Position // zero: none known
	Time     int64    // µs since 1970 on the source's clock; 0: unknown
	// Ends holds for each partition of the topic the offset in front of which it all is, −1 for
	// partitions that the input does not write to.
	Ends []int64
}

// ClaimKeySchema and ClaimSchema are the Avro schemas of state.claims.
const (
	ClaimKeySchema = `{"type":"record","name":"ClaimKey","namespace":"tributary","fields":[{"name":"topic","type":"string"},{"name":"stream","type":"string"},{"name":"input","type":"int"}]}`
	ClaimSchema    = `{"type":"record","name":"Claim","namespace":"tributary","fields":[{"name":"position","type":{"type":"fixed","name":"Position","size":32}},{"name":"time","type":{"type":"long","logicalType":"timestamp-micros"}},{"name":"ends","type":{"type":"array","items":"long"}}]}`
)

// AppendClaimKey appends a key's Avro body.
func AppendClaimKey(dst []byte, k ClaimKey) []byte {
	return schemas.AppendLong(schemas.AppendString(schemas.AppendString(dst, k.Topic), k.Stream), int64(k.Input))
}

// AppendClaim appends a claim's Avro body.
func AppendClaim(dst []byte, c Claim) []byte {
	dst = append(dst, c.Position[:]...)
	dst = schemas.AppendLong(dst, c.Time)
	if len(c.Ends) > 0 {
		dst = schemas.AppendLong(dst, int64(len(c.Ends)))
		for _, e := range c.Ends {
			dst = schemas.AppendLong(dst, e)
		}
	}
	return append(dst, 0)
}

// DecodeClaim reads the Avro bodies of a claim's key and value.
func DecodeClaim(key, value []byte) (k ClaimKey, c Claim, err error) {
	r := schemas.NewReader(key)
	k = ClaimKey{Topic: r.String(), Stream: r.String(), Input: int32(r.Long())}
	if r.Err() != nil {
		return k, c, fmt.Errorf("key of a claim: %w", r.Err())
	}
	r = schemas.NewReader(value)
	copy(c.Position[:], r.Fixed(PositionSize))
	c.Time = r.Long()
	for n := r.Long(); n > 0; n = r.Long() {
		for ; n > 0 && r.Err() == nil; n-- {
			c.Ends = append(c.Ends, r.Long())
		}
	}
	if r.Err() != nil {
		return k, c, fmt.Errorf("claim of %s on %s: %w", k.Stream, k.Topic, r.Err())
	}
	return k, c, nil
}

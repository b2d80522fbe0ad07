package topics

import (
	"context"
	"fmt"

	"tributary/schemas"
)

// A Registrar registers schemas; the registry's client is one.
type Registrar interface {
	// Register gives the id of a schema under a subject, registering it if it is new. An
	// incompatible schema is an error that says what breaks.
	Register(ctx context.Context, subject, schema string) (id int, err error)
}

// A Frame holds the framed beginnings of a topic's keys and values.
type Frame struct{ KeyID, ValueID int }

// NewFrame registers the schemas of a topic under <topic>-key and <topic>-value.
func NewFrame(ctx context.Context, reg Registrar, topic, keySchema, valueSchema string) (f Frame, err error) {
	if f.KeyID, err = reg.Register(ctx, topic+"-key", keySchema); err != nil {
		return f, fmt.Errorf("register the key schema of %s: %w", topic, err)
	}
	if f.ValueID, err = reg.Register(ctx, topic+"-value", valueSchema); err != nil {
		return f, fmt.Errorf("register the value schema of %s: %w", topic, err)
	}
	return f, nil
}

// Key begins a key: the frame alone.
func (f Frame) Key(dst []byte) []byte { return schemas.AppendFrame(dst, f.KeyID) }

// Value begins a value: the frame alone.
func (f Frame) Value(dst []byte) []byte { return schemas.AppendFrame(dst, f.ValueID) }

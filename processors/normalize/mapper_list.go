package normalize

import (
	"encoding/json"
	"time"

	"tributary/mesh"
	"tributary/schemas"
)

// appendList appends an Avro array as a list in one block, or as a JSON array.
func appendList(dst []byte, t mesh.Type, w *wireType, v []byte) ([]byte, error) {
	items, err := w.items(v)
	if err != nil {
		return dst, err
	}
	switch t.Kind {
	case mesh.JSON:
		return appendJSONList(dst, w, items)
	case mesh.List:
	default:
		return dst, errMisfit
	}
	out := dst
	if len(items) > 0 {
		out = schemas.AppendLong(out, int64(len(items)))
	}
	for _, item := range items {
		if item.Value == nil {
			return dst, errNullItem
		}
		if out, err = appendValue(out, *t.Elem, w.item(item), item.Value); err != nil {
			return dst, err
		}
	}
	return append(out, 0), nil
}

// items gives an array's items.
func (t *wireType) items(v []byte) (items []Column, err error) {
	c := cursor{body: v}
	c.blocks(func() { items = append(items, c.column(t.elem)) })
	if c.bad {
		return nil, schemas.ErrShort
	}
	return items, nil
}

func (t *wireType) item(c Column) *wireType {
	if t.elem.kind == wireUnion {
		return t.elem.branches[c.Branch]
	}
	return t.elem
}

func appendJSONList(dst []byte, w *wireType, items []Column) ([]byte, error) {
	out := []byte{'['}
	for i, item := range items {
		if i > 0 {
			out = append(out, ',')
		}
		if item.Value == nil {
			out = append(out, "null"...)
			continue
		}
		iw := w.item(item)
		v, err := appendValue(nil, iw.natural(), iw, item.Value)
		if err != nil {
			return dst, err
		}
		if out, err = schemas.AppendJSON(out, iw.natural(), v); err != nil {
			return dst, err
		}
	}
	return schemas.AppendBytes(dst, append(out, ']')), nil
}

// appendNative appends what a CEL expression gave, as a value of a field's type.
func appendNative(dst []byte, t mesh.Type, v any) ([]byte, error) {
	switch v := v.(type) {
	case bool:
		return appendBool(dst, t, v)
	case int64:
		return appendInt(dst, t, v)
	case float64:
		return appendFloat(dst, t, v)
	case string:
		return appendText(dst, t, []byte(v), meansText)
	case []byte:
		if t.Kind == mesh.Bytes {
			return schemas.AppendBytes(dst, v), nil
		}
	case time.Time:
		return appendMicros(dst, t, v.UnixMicro())
	case []any:
		return appendNativeList(dst, t, v)
	}
	return dst, errMisfit
}

func appendNativeList(dst []byte, t mesh.Type, items []any) ([]byte, error) {
	switch t.Kind {
	case mesh.JSON:
		text, err := json.Marshal(items)
		if err != nil {
			return dst, errMisfit
		}
		return schemas.AppendBytes(dst, text), nil
	case mesh.List:
	default:
		return dst, errMisfit
	}
	out := dst
	if len(items) > 0 {
		out = schemas.AppendLong(out, int64(len(items)))
	}
	for _, item := range items {
		if item == nil {
			return dst, errNullItem
		}
		var err error
		if out, err = appendNative(out, *t.Elem, item); err != nil {
			return dst, err
		}
	}
	return append(out, 0), nil
}

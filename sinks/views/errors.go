package views

import "errors"

// Sentinels of every driver; the errors that wrap them say which entity and what to do.
var (
	// ErrArgument: an argument of Run cannot be read as its field's type, or a cursor is not one
	// of this query. The client's input is at fault.
	ErrArgument = errors.New("bad argument")
	// ErrUndefined: an entity or field that Define was not given. Call Define first.
	ErrUndefined = errors.New("not defined in the view store")
	// ErrChanged: Define found a field stored in another way than its type now needs. The view
	// must be rebuilt as a new generation, or the field named otherwise.
	ErrChanged = errors.New("field cannot change in place")
	// ErrValue: a row holds a value that is not of its field's type; the batch is not applied.
	ErrValue = errors.New("bad value")
	// ErrFull: there is no space left; the batch is not applied. Retry once there is.
	ErrFull = errors.New("no space left for the view store")
	// ErrDamaged: the store's file or tables are damaged. A store is rebuilt from the view topics.
	ErrDamaged = errors.New("view store is damaged")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("view store is closed")
)

package ingest

import "errors"

// ErrPositionLost is returned by Source.Stream when the source cannot go on from the position
// asked: the slot is gone or invalidated, or it is another server; and by Source.Snapshot when it
// cannot go on with a first snapshot that was begun. The runner answers with a first snapshot in a
// new epoch (I5).
var ErrPositionLost = errors.New("the source no longer has the changes behind our position")

// A Fault is something the owner of a source must mend before capture can go on.
type Fault struct {
	Subject string // what it is about: "system erp", "stream erp.material (public.mara)"
	Problem string // what is wrong
	Mend    string // what to do: SQL or a setting, ready to paste
}

func (f *Fault) Error() string {
	if f.Mend == "" {
		return f.Subject + ": " + f.Problem
	}
	return f.Subject + ": " + f.Problem + "\n  mend: " + f.Mend
}

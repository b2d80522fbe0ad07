package demo

import "time"

// Kinds of events.
const (
	kindBegin  = "begin"  // a step that may take long
	kindDone   = "done"   // its end
	kindFill   = "fill"   // how far a database is
	kindStatus = "status" // how the mesh stands
	kindReady  = "ready"  // all views have caught up for the first time
	kindStop   = "stop"   // the demo was told to stop
	kindEnd    = "end"    // and has
)

// An event is what a screen shows. The names of its JSON are an interface: scripts read them.
type event struct {
	Kind   string        `json:"event"`
	Time   time.Time     `json:"time"`
	Text   string        `json:"text,omitempty"`
	Filled *filled       `json:"filled,omitempty"`
	Status *Reading      `json:"status,omitempty"`
	Ready  *announcement `json:"ready,omitempty"`

	took time.Duration // of a step
}

// Filled is how many products of a database are there.
type filled struct {
	Database string `json:"database"`
	Done     int    `json:"done"`
	Total    int    `json:"total"`
}

// An announcement is what the demo says when the mesh is ready.
type announcement struct {
	Addrs    addresses     `json:"addrs"`
	Took     time.Duration `json:"-"`
	Commands []command     `json:"commands"`
}

// Addresses are node.Addrs for scripts.
type addresses struct {
	Gateway    string `json:"gateway"`
	Registry   string `json:"registry"`
	Admin      string `json:"admin"`
	Kafka      string `json:"kafka"`
	ClickHouse string `json:"clickhouse"`
}

// A command is one to paste into another terminal.
type command struct {
	Title string `json:"title"`
	Shell string `json:"shell"`
}

// A screen shows events. Its methods may be called by several goroutines; after close nothing
// more is shown.
type screen interface {
	tell(event)
	close()
}

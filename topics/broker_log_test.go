package topics

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kfake"
)

// TestRefusedWrites: a write that the disk refused is told and never returns to kfake, which
// would acknowledge it (I1); what kfake logs beside that goes on.
func TestRefusedWrites(t *testing.T) {
	full := &os.PathError{Op: "write", Path: "p/0.dat", Err: syscall.ENOSPC}
	for _, c := range []struct {
		name    string
		level   kfake.LogLevel
		args    []any
		refused bool
	}{
		{"full", kfake.LogLevelWarn, []any{"topic", 0, full}, true},
		{"wrapped", kfake.LogLevelError, []any{fmt.Errorf("writing snapshot.json: %w", full)}, true},
		{"input/output error", kfake.LogLevelWarn, []any{&os.PathError{Op: "write", Path: "p", Err: syscall.EIO}}, true},
		{"nothing there yet", kfake.LogLevelWarn, []any{&os.PathError{Op: "open", Path: "p", Err: syscall.ENOENT}}, false},
		{"no error of the system", kfake.LogLevelWarn, []any{"group", errors.New("corrupt")}, false},
		{"no warning", kfake.LogLevelInfo, []any{full}, false},
	} {
		failed, returned := make(chan error, 1), make(chan struct{})
		log := brokerLog{zerolog.Nop(), failed}
		go func() { // one that was refused stays here, as it does in a broker
			log.Logf(c.level, "%v", c.args...)
			close(returned)
		}()
		select {
		case err := <-failed:
			if !c.refused || !errors.Is(err, c.args[len(c.args)-1].(error)) {
				t.Errorf("%s: %v", c.name, err)
			}
		case <-returned:
			if c.refused {
				t.Errorf("%s: it went on", c.name)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("%s: neither told nor returned", c.name)
		}
	}
}

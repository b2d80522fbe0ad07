package clickhouse

import (
	"fmt"
	"runtime"
	"strings"
	"unsafe"

	"github.com/ebitengine/purego"
)

// library is the engine's C interface (chdb.h of chDB 26.5). It lives in the child process alone:
// a fault inside the engine must not take the mesh down.
type library struct {
	connect      func(argc int32, argv unsafe.Pointer) unsafe.Pointer
	closeConn    func(conn unsafe.Pointer)
	query        func(conn, query unsafe.Pointer, length uint64, format string, formatLength uint64) unsafe.Pointer
	destroy      func(result unsafe.Pointer)
	buffer       func(result unsafe.Pointer) unsafe.Pointer
	length       func(result unsafe.Pointer) uint64
	failure      func(result unsafe.Pointer) string
	rowsRead     func(result unsafe.Pointer) uint64
	bytesRead    func(result unsafe.Pointer) uint64
	rowsWritten  func(result unsafe.Pointer) uint64
	bytesWritten func(result unsafe.Pointer) uint64

	args []string
}

// openLibrary loads the engine; args are those of clickhouse-local and the same for every
// connection.
func openLibrary(path string, args []string) (*library, error) {
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("load the ClickHouse engine: %w", err)
	}
	lib := &library{args: append([]string{"clickhouse"}, args...)}
	for name, fn := range map[string]any{
		"chdb_connect":              &lib.connect,
		"chdb_close_conn":           &lib.closeConn,
		"chdb_query_n":              &lib.query,
		"chdb_destroy_query_result": &lib.destroy,
		"chdb_result_buffer":        &lib.buffer,
		"chdb_result_length":        &lib.length,
		"chdb_result_error":         &lib.failure,
		"chdb_result_rows_read":     &lib.rowsRead,
		"chdb_result_bytes_read":    &lib.bytesRead,
		"chdb_result_rows_written":  &lib.rowsWritten,
		"chdb_result_bytes_written": &lib.bytesWritten,
	} {
		symbol, err := purego.Dlsym(handle, name)
		if err != nil {
			return nil, fmt.Errorf("load the ClickHouse engine: %w", err)
		}
		purego.RegisterFunc(fn, symbol)
	}
	return lib, nil
}

// A session is one connection to the engine: its database, settings and parameters are its own.
// It belongs to one goroutine.
type session struct {
	lib  *library
	conn unsafe.Pointer
}

// open starts a session (0.2 ms). The first one starts the engine, so one is kept open while the
// child lives.
func (l *library) open() (*session, error) {
	argv := make([]*byte, len(l.args))
	for i, arg := range l.args {
		argv[i] = unsafe.StringData(arg + "\x00")
	}
	var pinner runtime.Pinner
	defer pinner.Unpin()
	for _, p := range argv {
		pinner.Pin(p)
	}
	conn := l.connect(int32(len(argv)), unsafe.Pointer(&argv[0]))
	if conn == nil {
		return nil, fmt.Errorf("the ClickHouse engine gave no connection: see its lines in the log; a damaged or foreign data folder is the usual cause")
	}
	return &session{lib: l, conn: conn}, nil
}

func (s *session) close() { s.lib.closeConn(s.conn) }

// exec runs a statement and drops its output.
func (s *session) exec(statement string) error {
	res, err := s.query([]byte(statement), "Null")
	if err != nil {
		return err
	}
	res.close()
	return nil
}

// query runs statements whose output goes out in format unless they name their own. An exception
// of the engine is an *exception.
func (s *session) query(statement []byte, format string) (*result, error) {
	var pinner runtime.Pinner
	pinner.Pin(&statement[0])
	ptr := s.lib.query(*(*unsafe.Pointer)(s.conn), unsafe.Pointer(&statement[0]), uint64(len(statement)), format, uint64(len(format)))
	pinner.Unpin()
	if ptr == nil {
		return nil, fmt.Errorf("the ClickHouse engine gave no result")
	}
	if text := s.lib.failure(ptr); text != "" {
		text = strings.Clone(text)
		s.lib.destroy(ptr)
		return nil, parseException(text)
	}
	return &result{lib: s.lib, ptr: ptr}, nil
}

// A result holds a statement's output in the engine's memory until close.
type result struct {
	lib *library
	ptr unsafe.Pointer
}

// bytes is valid until close.
func (r *result) bytes() []byte {
	n := r.lib.length(r.ptr)
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(r.lib.buffer(r.ptr)), n)
}

// summary is the value of the header X-ClickHouse-Summary: numbers as strings.
func (r *result) summary() string {
	return fmt.Sprintf(`{"read_rows":"%d","read_bytes":"%d","written_rows":"%d","written_bytes":"%d"}`,
		r.lib.rowsRead(r.ptr), r.lib.bytesRead(r.ptr), r.lib.rowsWritten(r.ptr), r.lib.bytesWritten(r.ptr))
}

func (r *result) close() { r.lib.destroy(r.ptr) }

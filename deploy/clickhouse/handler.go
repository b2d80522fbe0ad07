package clickhouse

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// handler answers ClickHouse's HTTP interface from the library.
type handler struct {
	lib     *library
	version string
	slots   chan struct{} // bounds the statements that run at once // I8
}

func newHandler(lib *library, version string, concurrency int) *handler {
	return &handler{lib: lib, version: version, slots: make(chan struct{}, concurrency)}
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !localRequest(r) {
		http.Error(w, "the embedded engine answers programs on this machine only, not pages of other origins", http.StatusForbidden)
		return
	}
	w.Header().Set("X-ClickHouse-Server-Display-Name", displayName)
	w.Header().Set("X-ClickHouse-Timezone", timeZone)
	switch {
	case r.URL.Path == "/ping", r.URL.Path == "/replicas_status",
		r.URL.Path == "/" && r.Method != http.MethodPost && !r.URL.Query().Has("query"):
		io.WriteString(w, "Ok.\n")
	case r.URL.Path != "/":
		http.Error(w, "There is no handle "+r.URL.Path+"\nUse / or /ping for health checks.", http.StatusNotFound)
	case r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodPost:
		w.Header().Set("Allow", "GET, HEAD, POST")
		http.Error(w, "use GET or POST", http.StatusMethodNotAllowed)
	default:
		h.serveQuery(w, r)
	}
}

// localRequest refuses what a browser sends for a page of another origin, and names of other
// machines that point here (DNS rebinding): the engine has no passwords.
func localRequest(r *http.Request) bool {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if !isLoopback(host) {
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && isLoopback(u.Hostname())
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.IsLoopback()
}

func (h *handler) serveQuery(w http.ResponseWriter, r *http.Request) {
	req, err := parseRequest(w, r)
	w.Header().Set("X-ClickHouse-Query-Id", req.id)
	if err == nil {
		select {
		case h.slots <- struct{}{}:
			defer func() { <-h.slots }()
			err = h.run(w, r, req)
		case <-r.Context().Done():
			return
		}
	}
	if err != nil {
		h.fail(w, err)
	}
}

// fail answers an error that came before the first byte of the answer.
func (h *handler) fail(w http.ResponseWriter, err error) {
	var (
		ex      *exception
		tooLong *http.MaxBytesError
		status  = http.StatusInternalServerError
	)
	switch {
	case errors.As(err, &ex):
		status = ex.status()
	case errors.As(err, &tooLong):
		ex = newException(307, "TOO_MANY_BYTES", "the body has more than %d bytes: send it in parts", int64(maxBody))
		status = http.StatusRequestEntityTooLarge
	default:
		ex = newException(1002, "UNKNOWN_EXCEPTION", "%v", err)
	}
	w.Header().Set("X-ClickHouse-Exception-Code", strconv.Itoa(ex.code))
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	w.WriteHeader(status)
	fmt.Fprintf(w, "%s (version %s)\n", ex.text, h.version)
}

// run executes one request in a session of its own.
func (h *handler) run(w http.ResponseWriter, r *http.Request, req request) error {
	runtime.LockOSThread() // the engine keeps what belongs to a query with the thread
	defer runtime.UnlockOSThread()
	text, s, rows, err := joined(req)
	if err != nil {
		return err
	}
	session, err := h.lib.open()
	if err != nil {
		return err
	}
	defer session.close()
	if err := prepare(session, req); err != nil {
		return err
	}
	if s.insert {
		file, err := rowsFile(rows)
		if err != nil {
			return err
		}
		defer file.Close()
		text = s.fromFile(text, fmt.Sprintf("/proc/self/fd/%d", file.Fd()))
	}
	res, err := session.query(text, req.format)
	if err != nil {
		return err
	}
	defer res.close()
	return answer(w, r, req, firstOf(s.format, req.format), res)
}

// joined puts the query parameter and the body together as a server does, and splits off the rows
// of an INSERT.
func joined(req request) (text []byte, s statement, rows [][]byte, err error) {
	text = req.query
	if s, err = analyse(text); err != nil {
		return nil, s, nil, err
	}
	if s.insert {
		return text, s, [][]byte{text[s.dataFrom:], req.body}, nil
	}
	switch {
	case len(text) == 0:
		text = req.body
	case len(req.body) > 0:
		text = append(append(append([]byte(nil), text...), '\n'), req.body...)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, s, nil, syntaxError("Empty query")
	}
	if s, err = analyse(text); err != nil || !s.insert {
		return text, s, nil, err
	}
	return text, s, [][]byte{text[s.dataFrom:]}, nil
}

func prepare(s *session, req request) error {
	for _, statement := range req.prepare {
		if err := s.exec(statement); err != nil {
			return err
		}
	}
	if req.database != "" {
		if err := s.exec("USE " + quoteIdentifier(req.database)); err != nil {
			return err
		}
	}
	if req.readonly { // 2: settings may still be set in the query
		return s.exec("SET readonly = 2")
	}
	return nil
}

// rowsFile is a file in memory that the engine reads an INSERT's rows from.
func rowsFile(parts [][]byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("rows", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make room for the rows: %w", err)
	}
	file := os.NewFile(uintptr(fd), "rows")
	for _, part := range parts {
		if _, err := file.Write(part); err != nil {
			file.Close()
			return nil, fmt.Errorf("make room for the rows: %w", err)
		}
	}
	return file, nil
}

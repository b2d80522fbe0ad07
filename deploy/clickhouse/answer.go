package clickhouse

import (
	"bufio"
	"compress/gzip"
	"compress/zlib"
	"io"
	"net/http"
	"strings"

	"github.com/ClickHouse/ch-go/compress"
)

// answer writes a result: headers, then the bytes as the client asked for them.
func answer(w http.ResponseWriter, r *http.Request, req request, format string, res *result) error {
	out := res.bytes()
	var cuts []cut
	if strings.EqualFold(format, "Native") {
		var err error
		if cuts, err = cutsOf(out); err != nil {
			return err
		}
	}
	header := w.Header()
	header.Set("X-ClickHouse-Format", format)
	header.Set("X-ClickHouse-Summary", res.summary())
	header.Set("Content-Type", contentType(format))
	body := newBody(w, r, req, len(out) == 0)
	if err := writeNative(body, out, cuts, req.revision); err != nil {
		return nil // the client has gone: there is no one to tell
	}
	body.Close()
	return nil
}

// contentType is the MIME type that ClickHouse gives a format.
func contentType(format string) string {
	switch {
	case strings.EqualFold(format, "Native"), strings.HasPrefix(format, "RowBinary"), strings.EqualFold(format, "Parquet"), strings.HasPrefix(format, "Arrow"):
		return "application/octet-stream"
	case strings.EqualFold(format, "JSONEachRow"), strings.HasPrefix(format, "JSONCompactEachRow"), strings.EqualFold(format, "NDJSON"), strings.EqualFold(format, "JSONLines"):
		return "application/x-ndjson; charset=UTF-8"
	case strings.HasPrefix(format, "JSON"):
		return "application/json; charset=UTF-8"
	case strings.HasPrefix(format, "CSV"):
		return "text/csv; charset=UTF-8; header=absent"
	case strings.HasPrefix(format, "TabSeparated"), strings.HasPrefix(format, "TSV"):
		return "text/tab-separated-values; charset=UTF-8"
	}
	return "text/plain; charset=UTF-8"
}

// newBody stacks a buffer on the compression that the request asked for; Close writes the rest.
func newBody(w http.ResponseWriter, r *http.Request, req request, empty bool) io.WriteCloser {
	var sink io.WriteCloser = plainBody{w}
	switch accepted := r.Header.Get("Accept-Encoding"); {
	case empty:
	case req.compress:
		sink = &blockBody{w: w, writer: compress.NewWriter(compress.LevelZero, req.method)}
	case r.URL.Query().Get("enable_http_compression") == "0":
	case strings.Contains(accepted, "gzip"):
		w.Header().Set("Content-Encoding", "gzip")
		sink = gzip.NewWriter(w)
	case strings.Contains(accepted, "deflate"):
		w.Header().Set("Content-Encoding", "deflate")
		sink = zlib.NewWriter(w)
	}
	return &bufferedBody{Writer: bufio.NewWriterSize(sink, 1<<20), sink: sink}
}

type plainBody struct{ io.Writer }

func (plainBody) Close() error { return nil }

// blockBody writes ClickHouse's compressed blocks: checksum, method, sizes, data.
type blockBody struct {
	w      io.Writer
	writer *compress.Writer
}

func (b *blockBody) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := b.writer.Compress(p); err != nil {
		return 0, err
	}
	if _, err := b.w.Write(b.writer.Data); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (b *blockBody) Close() error { return nil }

type bufferedBody struct {
	*bufio.Writer
	sink io.Closer
}

func (b *bufferedBody) Close() error {
	if err := b.Flush(); err != nil {
		return err
	}
	return b.sink.Close()
}

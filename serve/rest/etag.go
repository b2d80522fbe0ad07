package rest

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
)

// writeTagged answers with JSON under a strong ETag, or with 304 where the client has it
// (RFC 9110, section 13.1.2).
func writeTagged(w http.ResponseWriter, req *http.Request, body []byte) {
	tag := etag(body)
	h := w.Header()
	h.Set("Etag", tag)
	// To be kept, but asked for each time: views change within seconds.
	h.Set("Cache-Control", "no-cache")
	if matches(req.Header.Values("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if req.Method != http.MethodHead {
		_, _ = w.Write(body) // a client that is gone needs no answer
	}
}

// tagBytes of the hash are enough to tell the versions of one resource apart.
const tagBytes = 16

// etag is the hash of the body: the same bytes have the same tag in every process.
func etag(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:tagBytes]) + `"`
}

// matches compares weakly, as If-None-Match does.
func matches(header []string, tag string) bool {
	for _, line := range header {
		for candidate := range strings.SplitSeq(line, ",") {
			candidate = strings.TrimSpace(candidate)
			if candidate == "*" || strings.TrimPrefix(candidate, "W/") == tag {
				return true
			}
		}
	}
	return false
}

package crash

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// maxViolations bounds what is kept of a run that goes wrong throughout.
const maxViolations = 50

// A Reader asks the gateway for entities by id over REST, again and again, and holds each answer
// against the history.
type Reader struct {
	History *History
	Client  *http.Client
	// Gateway is http://host:port; Plural the entities' path.
	Gateway, Plural string
	// Field holds the value: a number, or a decimal as string.
	Field string
	Keys  []string
	// Readers ask side by side; 0: 1.
	Readers int
	// Every is the time between two requests of a reader; 0: none.
	Every time.Duration

	mu     sync.Mutex // protects report
	report Report
}

// A Report is what a Reader has seen.
type Report struct {
	Answers     int64 // 200 and 404
	Verified    int64 // answers that claimed a verifiedThrough
	Unavailable int64 // no connection, or 503
	// Violations are sentences, the first 50 of them.
	Violations []string
}

// Report may be called while Run runs.
func (r *Reader) Report() Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.report
	out.Violations = append([]string(nil), r.report.Violations...)
	return out
}

// Run asks until ctx ends, and then returns nil.
func (r *Reader) Run(ctx context.Context) error {
	var group errgroup.Group
	readers := max(1, r.Readers)
	for first := range readers {
		group.Go(func() error {
			for i := first; ctx.Err() == nil; i += readers {
				r.step(ctx, r.Keys[i%len(r.Keys)])
			}
			return nil
		})
	}
	return group.Wait()
}

// step asks once.
func (r *Reader) step(ctx context.Context, key string) {
	seen, version := r.History.Shown(key)
	sent := time.Now()
	status, header, body, err := r.get(ctx, key)
	if err != nil || status == http.StatusServiceUnavailable {
		if ctx.Err() == nil {
			r.count(func(p *Report) { p.Unavailable++ })
		}
		wait(ctx, max(pause, r.Every))
		return
	}
	answer, err := r.read(key, status, header, body, sent)
	answer.Seen, answer.SeenVersion = seen, version
	violation := ""
	if err != nil {
		violation = fmt.Sprintf("%s: %v", key, err)
	} else {
		violation = r.History.Check(answer)
	}
	r.count(func(p *Report) {
		p.Answers++
		if !answer.VerifiedThrough.IsZero() {
			p.Verified++
		}
		if violation != "" && len(p.Violations) < maxViolations {
			p.Violations = append(p.Violations, violation)
		}
	})
	wait(ctx, r.Every)
}

func (r *Reader) count(change func(*Report)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.report)
}

func (r *Reader) get(ctx context.Context, key string) (status int, header http.Header, body []byte, err error) {
	address := r.Gateway + "/v1/" + r.Plural + "/" + url.PathEscape(key) + "?include=provenance"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, nil, nil, err
	}
	answer, err := r.Client.Do(request)
	if err != nil {
		return 0, nil, nil, err
	}
	defer answer.Body.Close()
	body, err = io.ReadAll(answer.Body)
	return answer.StatusCode, answer.Header, body, err
}

// read makes an Answer of a response. The claim is the body's _meta.verifiedThrough and, where
// there is no body, what the Tributary-Staleness header comes to.
func (r *Reader) read(key string, status int, header http.Header, body []byte, sent time.Time) (Answer, error) {
	a := Answer{Key: key, Sent: sent}
	if header.Get("Tributary-State") == "" {
		return a, fmt.Errorf("the answer (%d) has no Tributary-State header", status)
	}
	if text := header.Get("Tributary-Staleness"); text != "" {
		staleness, err := strconv.ParseInt(text, 10, 64)
		if err != nil || staleness < 0 || staleness > math.MaxInt64/int64(time.Millisecond) {
			return a, fmt.Errorf("the Tributary-Staleness header is %q", text)
		}
		// The gateway's clock stood at sent or later, and it may have rounded the staleness down.
		a.VerifiedThrough = sent.Add(-time.Duration(staleness) * time.Millisecond).Add(-time.Millisecond)
	}
	switch status {
	case http.StatusNotFound:
		return a, nil
	case http.StatusOK:
		a.Found = true
	default:
		return a, fmt.Errorf("the gateway answered %d: %.300s", status, body)
	}
	return r.readBody(a, body)
}

func (r *Reader) readBody(a Answer, body []byte) (Answer, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return a, fmt.Errorf("the body cannot be read: %w: %.300s", err, body)
	}
	value, err := integer(fields[r.Field])
	if err != nil {
		return a, fmt.Errorf("field %s: %w", r.Field, err)
	}
	a.Value = value
	var meta struct {
		VerifiedThrough *time.Time `json:"verifiedThrough"`
		Version         string     `json:"version"`
	}
	if err := json.Unmarshal(fields["_meta"], &meta); err != nil {
		return a, fmt.Errorf("the answer's _meta: %w: %.300s", err, fields["_meta"])
	}
	if a.Version, err = version(meta.Version); err != nil {
		return a, err
	}
	if meta.VerifiedThrough == nil {
		if !a.VerifiedThrough.IsZero() {
			return a, fmt.Errorf("the header claims a staleness, _meta.verifiedThrough is null")
		}
		return a, nil
	}
	// What the header comes to lies before it; the later claim asks more of the answer.
	if meta.VerifiedThrough.After(a.VerifiedThrough) {
		a.VerifiedThrough = *meta.VerifiedThrough
	}
	return a, nil
}

// version reads generation.partition.offset.n; "" is not known.
func version(text string) (v Version, err error) {
	if text == "" {
		return v, nil
	}
	parts := strings.Split(text, ".")
	if len(parts) != len(v) {
		return v, fmt.Errorf("the version is %q", text)
	}
	for i, part := range parts {
		if v[i], err = strconv.ParseInt(part, 10, 64); err != nil {
			return v, fmt.Errorf("the version is %q", text)
		}
	}
	return v, nil
}

// integer reads 12, "12" and "12.00".
func integer(raw json.RawMessage) (int64, error) {
	text := strings.Trim(string(raw), `"`)
	whole, fraction, _ := strings.Cut(text, ".")
	if strings.Trim(fraction, "0") != "" {
		return 0, fmt.Errorf("%q is no whole number", text)
	}
	return strconv.ParseInt(whole, 10, 64)
}

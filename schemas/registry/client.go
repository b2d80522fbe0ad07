package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/cenkalti/backoff/v5"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/twmb/franz-go/pkg/sr"
)

const (
	cacheSize = 4096 // entries a cache; a mesh has a few schemas a stream and entity
	// unknownFor is how long an unknown id is not asked for again: a topic full of damaged
	// records must not become a storm of requests, and a schema that appears must be found soon.
	unknownFor = 2 * time.Second
	// patience bounds the retries of one call while the registry does not answer.
	patience = 20 * time.Second
	// maxAnswer bounds an answer in bytes.
	maxAnswer = 8 << 20
	// allVersions asks for a comparison with as many versions as the subject's level wants.
	allVersions = -2
)

// A Client talks to a schema registry, embedded or external. Its methods are safe for concurrent
// use. Answers that never change are cached: what an id stands for, and the id of a registration.
type Client struct {
	name       string // for errors: the address without credentials (I11)
	http       *http.Client
	api        *sr.Client
	registered *lru.Cache[registration, int]
	schemas    *lru.Cache[int, string]
	unknown    *lru.Cache[int, time.Time] // until when an id counts as unknown
}

type registration struct{ subject, schema string }

// A Registered is a schema with its place in the registry.
type Registered struct {
	ID      int
	Version int
	Schema  string
}

// NewClient makes a client for the registry at an http or https URL. Credentials may stand in
// the URL instead; an empty user means none. It does not connect.
func NewClient(address, user, password string) (*Client, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		// Neither the text nor the parser's error is repeated: a password may stand in it (I11).
		return nil, errors.New("registry.url is not an address like http://host:8081")
	}
	if u.User != nil && user == "" {
		user = u.User.Username()
		password, _ = u.User.Password()
	}
	u.User = nil
	web := &http.Client{Timeout: 10 * time.Second, Transport: bounded{http.DefaultTransport.(*http.Transport).Clone()}}
	opts := []sr.ClientOpt{sr.URLs(u.String()), sr.HTTPClient(web), sr.UserAgent("tributary"), sr.LogLevel(sr.LogLevelNone)}
	if user != "" {
		opts = append(opts, sr.BasicAuth(user, password))
	}
	c := &Client{name: u.String(), http: web}
	if c.api, err = sr.NewClient(opts...); err != nil {
		return nil, fmt.Errorf("schema registry %s: %w", c.name, err)
	}
	// The sizes are positive constants, the only thing that lru.New refuses.
	c.registered, _ = lru.New[registration, int](cacheSize)
	c.schemas, _ = lru.New[int, string](cacheSize)
	c.unknown, _ = lru.New[int, time.Time](cacheSize)
	return c, nil
}

// Close releases idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Reach waits until the registry answers, for as long as patience allows.
func (c *Client) Reach(ctx context.Context, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := askFor(ctx, c, patience, "list the subjects", func() ([]string, error) { return c.api.Subjects(ctx) })
	return err
}

// Register gives the id of an Avro schema under a subject, registering it where needed; calling
// it again is cheap. It returns ErrIncompatible where the subject's level forbids the schema.
func (c *Client) Register(ctx context.Context, subject, schema string) (int, error) {
	key := registration{subject, schema}
	if id, ok := c.registered.Get(key); ok {
		return id, nil
	}
	id, err := ask(ctx, c, "register a schema under "+subject, func() (int, error) {
		return c.api.RegisterSchema(ctx, subject, sr.Schema{Schema: schema}, -1, -1)
	})
	if err != nil {
		return 0, err
	}
	c.registered.Add(key, id)
	return id, nil
}

// Schema gives the text that an id stands for, or ErrUnknownSchema.
func (c *Client) Schema(ctx context.Context, id int) (string, error) {
	if text, ok := c.schemas.Get(id); ok {
		return text, nil
	}
	what := fmt.Sprintf("look up schema id %d", id)
	if until, ok := c.unknown.Get(id); ok && time.Now().Before(until) {
		return "", fmt.Errorf("schema registry %s: %s: %w", c.name, what, ErrUnknownSchema)
	}
	found, err := ask(ctx, c, what, func() (sr.Schema, error) { return c.api.SchemaByID(ctx, id) })
	if errors.Is(err, ErrUnknownSchema) {
		c.unknown.Add(id, time.Now().Add(unknownFor))
	}
	if err != nil {
		return "", err
	}
	c.schemas.Add(id, found.Schema)
	return found.Schema, nil
}

// Latest gives a subject's newest schema, or ErrUnknownSchema. It is not cached.
func (c *Client) Latest(ctx context.Context, subject string) (Registered, error) {
	found, err := ask(ctx, c, "look up the latest schema of "+subject, func() (sr.SubjectSchema, error) {
		return c.api.SchemaByVersion(ctx, subject, -1)
	})
	return Registered{ID: found.ID, Version: found.Version, Schema: found.Schema.Schema}, err
}

// Check asks whether a schema could be registered under a subject; the messages are the
// registry's reasons if not. A subject without versions takes every schema.
func (c *Client) Check(ctx context.Context, subject, schema string) (messages []string, err error) {
	verbose := sr.WithParams(ctx, sr.Verbose)
	found, err := ask(ctx, c, "check a schema against "+subject, func() (sr.CheckCompatibilityResult, error) {
		return c.api.CheckCompatibility(verbose, subject, allVersions, sr.Schema{Schema: schema})
	})
	switch {
	case errors.Is(err, ErrUnknownSchema) || err == nil && found.Is:
		return nil, nil
	case err == nil && len(found.Messages) == 0:
		return []string{"the registry gives no reason"}, nil
	}
	return found.Messages, err
}

// SetLevel sets a subject's compatibility level, e.g. "BACKWARD".
func (c *Client) SetLevel(ctx context.Context, subject, level string) error {
	_, err := ask(ctx, c, "set the compatibility level of "+subject, func() (struct{}, error) {
		path := "/config/" + url.PathEscape(subject)
		return struct{}{}, c.api.Do(ctx, http.MethodPut, path, map[string]string{"compatibility": level}, nil)
	})
	return err
}

// ask repeats a call while the registry does not answer, and explains what it answers.
func ask[T any](ctx context.Context, c *Client, what string, call func() (T, error)) (T, error) {
	return askFor(ctx, c, patience, what, call)
}

func askFor[T any](ctx context.Context, c *Client, patience time.Duration, what string, call func() (T, error)) (T, error) {
	var last error // tells more than the end of ctx
	found, err := backoff.Retry(ctx, func() (T, error) {
		v, err := call()
		if last = err; err != nil && !retryable(err) {
			err = backoff.Permanent(err)
		}
		return v, err
	}, backoff.WithBackOff(pace()), backoff.WithMaxElapsedTime(patience))
	if err == nil {
		return found, nil
	}
	if ctx.Err() != nil && !errors.Is(err, last) {
		err = fmt.Errorf("%w: %w", err, last)
	}
	return found, fmt.Errorf("schema registry %s: %s: %w", c.name, what, explain(err))
}

func pace() backoff.BackOff {
	b := backoff.NewExponentialBackOff() // with jitter
	b.InitialInterval, b.MaxInterval = 50*time.Millisecond, 2*time.Second
	return b
}

// retryable says whether the same call may succeed later: the registry was not reached, was
// overloaded, or failed on its side. All calls are idempotent.
func retryable(err error) bool {
	var answer *sr.ResponseError
	if errors.As(err, &answer) {
		return answer.StatusCode >= 500 || answer.StatusCode == http.StatusTooManyRequests
	}
	return !errors.Is(err, errAnswerTooLarge)
}

// explain gives the sentinel that fits, with the registry's words and what to do.
func explain(err error) error {
	var answer *sr.ResponseError
	switch {
	case errors.As(err, &answer):
	case errors.Is(err, context.Canceled), errors.Is(err, errAnswerTooLarge):
		return err
	default:
		return fmt.Errorf("%w; check registry.url and that it is up: %w", ErrUnreachable, err)
	}
	code := answer.ErrorCode
	switch {
	case answer.StatusCode == http.StatusUnauthorized, answer.StatusCode == http.StatusForbidden:
		return fmt.Errorf("it refuses these credentials (%w); check registry.username and registry.password", err)
	case code == codeIncompatible || code == 40901 || answer.StatusCode == http.StatusConflict:
		return fmt.Errorf("%w: %w", ErrIncompatible, err)
	case code == codeInvalidSchema:
		return fmt.Errorf("%w: %w", ErrInvalidSchema, err)
	case code == codeNoSubject, code == codeNoVersion, code == codeNoSchema:
		return fmt.Errorf("%w: %w", ErrUnknownSchema, err)
	case answer.StatusCode == http.StatusNotFound:
		return fmt.Errorf("there is no schema registry under this address (%w); check registry.url", err)
	case retryable(err):
		return fmt.Errorf("%w; look at its log, or check registry.url (status %d): %w", ErrUnreachable, answer.StatusCode, err)
	}
	return err
}

var errAnswerTooLarge = errors.New("the answer is larger than 8 MiB")

// bounded cuts answers off that no registry would give.
type bounded struct{ *http.Transport }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.Transport.RoundTrip(r)
	if err == nil {
		resp.Body = &boundedBody{ReadCloser: resp.Body, left: maxAnswer}
	}
	return resp, err
}

type boundedBody struct {
	io.ReadCloser
	left int
}

// Read implements io.Reader.
func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errAnswerTooLarge
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

package registry

import (
	"errors"
	"fmt"
)

// Errors of a Client. They are wrapped with the registry's address and what was asked.
var (
	// ErrIncompatible is returned when a schema breaks the compatibility level of its subject.
	// The error's text lists the registry's reasons. Change the schema, or the level.
	ErrIncompatible = errors.New("schema is incompatible with earlier versions")
	// ErrUnknownSchema is returned for an id, subject or version that the registry does not
	// have: the record was written against another registry, or the schema was deleted.
	ErrUnknownSchema = errors.New("schema is not in the registry")
	// ErrInvalidSchema is returned when the registry refuses the schema's text.
	ErrInvalidSchema = errors.New("schema is invalid")
	// ErrUnreachable is returned when the registry did not answer, or answered with a server
	// error, until the client's patience ended.
	ErrUnreachable = errors.New("schema registry cannot be reached")
)

// The registry's error codes; the first three digits are the HTTP status.
const (
	codeMalformed        = 400
	codeNoSuchPath       = 404
	codeMethod           = 405
	codeIncompatible     = 409
	codeNoSubject        = 40401
	codeNoVersion        = 40402
	codeNoSchema         = 40403
	codeSubjectDeleted   = 40404
	codeSubjectNotSoft   = 40405
	codeVersionDeleted   = 40406
	codeVersionNotSoft   = 40407
	codeNoSubjectConfig  = 40408
	codeNoSubjectMode    = 40409
	codeInvalidSchema    = 42201
	codeInvalidVersion   = 42202
	codeInvalidLevel     = 42203
	codeInvalidMode      = 42204
	codeNotPermitted     = 42205
	codeReferenced       = 42206
	codeInvalidSubject   = 42208
	codeTooLarge         = 42209
	codeInvalidRules     = 42210
	codeStore            = 50001
	codeTimeout          = 50002
	codeForbiddenBrowser = 403
)

// An apiError is the body of every failed answer.
type apiError struct {
	Code    int    `json:"error_code"`
	Message string `json:"message"`
}

func (e *apiError) Error() string { return e.Message }

func (e *apiError) status() int {
	if e.Code < 1000 {
		return e.Code
	}
	return e.Code / 100
}

func fail(code int, format string, args ...any) *apiError {
	return &apiError{Code: code, Message: fmt.Sprintf(format, args...)}
}

func noSubject(subject string) *apiError {
	return fail(codeNoSubject, "Subject '%s' not found.", subject)
}

func noVersion(number int) *apiError { return fail(codeNoVersion, "Version %d not found.", number) }

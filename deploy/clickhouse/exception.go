package clickhouse

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
)

// An exception is an error of the engine in the text that ClickHouse servers use:
// "Code: 47. DB::Exception: …. (UNKNOWN_IDENTIFIER)".
type exception struct {
	code int
	text string
}

func (e *exception) Error() string { return e.text }

// Codes of ClickHouse's ErrorCodes.cpp that we give ourselves.
const (
	codeBadArguments   = 36
	codeNotImplemented = 48
	codeSyntaxError    = 62
	codeUnknownFormat  = 73
)

var exceptionCode = regexp.MustCompile(`^Code: (\d+)\.`)

// parseException reads the engine's text; a text without a code is UNKNOWN_EXCEPTION, 1002.
func parseException(text string) *exception {
	m := exceptionCode.FindStringSubmatch(text)
	if m == nil {
		return &exception{code: 1002, text: "Code: 1002. DB::Exception: " + text}
	}
	code, err := strconv.Atoi(m[1])
	if err != nil {
		code = 1002
	}
	return &exception{code: code, text: text}
}

func newException(code int, name, format string, args ...any) *exception {
	return &exception{code: code, text: fmt.Sprintf("Code: %d. DB::Exception: %s. (%s)", code, fmt.Sprintf(format, args...), name)}
}

func syntaxError(format string, args ...any) *exception {
	return newException(codeSyntaxError, "SYNTAX_ERROR", format, args...)
}

func badArguments(format string, args ...any) *exception {
	return newException(codeBadArguments, "BAD_ARGUMENTS", format, args...)
}

func notImplemented(format string, args ...any) *exception {
	return newException(codeNotImplemented, "NOT_IMPLEMENTED", format, args...)
}

// status gives the HTTP status as ClickHouse's HTTPHandler does (exceptionCodeToHTTPStatus).
func (e *exception) status() int {
	switch e.code {
	case 6, 26, 27, 38, 41, codeBadArguments, 43, 53, codeSyntaxError, 69, 70, 72, 456, 457:
		return http.StatusBadRequest
	case 164, 497:
		return http.StatusForbidden
	case 16, 46, 47, 50, 56, 60, codeUnknownFormat, 81, 115:
		return http.StatusNotFound
	case 159:
		return http.StatusRequestTimeout
	case codeNotImplemented:
		return http.StatusNotImplemented
	}
	return http.StatusInternalServerError
}

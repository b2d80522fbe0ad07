package catalog

import (
	"slices"
	"strconv"
	"strings"
)

// DefaultLocale is what localized fields answer in when nothing else is asked.
const DefaultLocale = "en"

// maxLanguages bounds how much of an Accept-Language header is looked at.
const maxLanguages = 16

// Negotiate picks a locale for an Accept-Language header (RFC 9110, section 12.5.4): the
// client's best that is among the known ones, as such ("de-AT") or by its language alone
// ("de"); where none are known, the client's best language alone; else DefaultLocale.
func Negotiate(acceptLanguage string, known []string) string {
	for _, tag := range languages(acceptLanguage) {
		language, _, _ := strings.Cut(tag, "-")
		if len(known) == 0 {
			return language
		}
		if i := slices.IndexFunc(known, func(k string) bool { return sameLocale(k, tag) }); i >= 0 {
			return known[i]
		}
		if i := slices.IndexFunc(known, func(k string) bool { return sameLocale(k, language) }); i >= 0 {
			return known[i]
		}
	}
	return DefaultLocale
}

func sameLocale(a, b string) bool {
	return strings.EqualFold(strings.ReplaceAll(a, "_", "-"), b)
}

// languages gives the tags of the header, the best first.
func languages(header string) []string {
	type weighted struct {
		tag string
		q   float64
	}
	var all []weighted
	for part := range strings.SplitSeq(header, ",") {
		tag, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		q := 1.0
		if v, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
			q, _ = strconv.ParseFloat(v, 64)
		}
		if tag = strings.TrimSpace(tag); tag != "" && tag != "*" && q > 0 && len(all) < maxLanguages {
			all = append(all, weighted{tag, q})
		}
	}
	slices.SortStableFunc(all, func(a, b weighted) int {
		switch {
		case a.q > b.q:
			return -1
		case a.q < b.q:
			return 1
		}
		return 0
	})
	out := make([]string, len(all))
	for i, w := range all {
		out[i] = w.tag
	}
	return out
}

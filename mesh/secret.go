package mesh

import (
	"net/url"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"
)

var (
	reference = regexp.MustCompile(`\$\{([^}]*)\}`)
	// onlyRefs is a text made of references alone, as passwords must be.
	onlyRefs = regexp.MustCompile(`^(\$\{[A-Za-z_][A-Za-z0-9_]*\})+$`)
	varName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	// keywordPassword finds the password of a libpq keyword string, and of a URL's query.
	keywordPassword = regexp.MustCompile(`(?i)(?:^|[\s?&])(?:password|sslpassword)\s*=\s*('[^']*'|[^\s&]*)`)
)

// resolve replaces the references of a text. Every variable that is not set is a fault, and ok
// is false. Without an environment the text stays as it is.
func (r *reader) resolve(n *yaml.Node, text string) (value string, ok bool) {
	if !r.references(n, text) {
		return "", false
	}
	ok = true
	value = reference.ReplaceAllStringFunc(text, func(ref string) string {
		name := ref[2 : len(ref)-1]
		if r.env == nil {
			return ref
		}
		v, set := r.env(name)
		if !set || v == "" {
			state := "is not set"
			if set {
				state = "is empty"
			}
			r.fault(n, "environment variable "+name+" "+state, "export "+name+"=… before you start tributary")
			ok = false
		}
		return v
	})
	return value, ok
}

// references checks the form of a text's references.
func (r *reader) references(n *yaml.Node, text string) bool {
	what := ""
	if strings.Contains(reference.ReplaceAllString(text, ""), "${") {
		what = "a reference is not closed"
	}
	for _, m := range reference.FindAllStringSubmatch(text, -1) {
		if !varName.MatchString(m[1]) {
			what = "a reference must hold the name of an environment variable"
		}
	}
	if what != "" {
		r.secret[r.pos(n)] = true // what was meant to be a secret may stand there
		r.fault(n, what, "write ${NAME}")
	}
	return what == ""
}

// plain gives the text behind a key with its references resolved, for what is no secret.
func (o object) plain(name string) string {
	text := o.text(name)
	if text == "" {
		return ""
	}
	v, _ := o.r.resolve(o.values[name], text)
	return v
}

// secret gives the text behind a key as a Secret with its references resolved.
func (o object) secret(name string) Secret {
	n := o.values[name]
	if n == nil {
		return Secret{}
	}
	text := o.text(name)
	v, _ := o.r.resolve(n, text)
	return NewSecret(text, v)
}

// password is a secret that must be made of references alone.
func (o object) password(name string) Secret {
	n := o.values[name]
	if n != nil && !onlyRefs.MatchString(n.Value) {
		o.r.literalSecret(n, "the password stands in the manifest")
		return Secret{}
	}
	return o.secret(name)
}

func (r *reader) literalSecret(n *yaml.Node, what string) {
	r.secret[r.pos(n)] = true
	r.fault(n, what, "put it into the environment and write ${NAME}")
}

// address is a secret that is a URL of one of the schemes, or one of the words. Its password must
// be a reference.
func (o object) address(name string, words, schemes []string) Secret {
	n := o.values[name]
	if n == nil {
		return Secret{}
	}
	text := o.text(name)
	if text == "" || !o.r.references(n, text) {
		return Secret{}
	}
	if hasLiteralPassword(text) {
		o.r.literalSecret(n, name+" holds a password")
		return Secret{}
	}
	v, ok := o.r.resolve(n, text)
	if ok && !(o.r.env == nil && strings.Contains(text, "${")) {
		o.r.checkAddress(n, name, v, words, schemes)
	}
	return NewSecret(text, v)
}

// checkAddress looks at a resolved address; its faults do not repeat it (I11).
func (r *reader) checkAddress(n *yaml.Node, name, v string, words, schemes []string) {
	for _, w := range words {
		if v == w {
			return
		}
	}
	would := "write "
	if len(words) > 0 {
		would += strings.Join(words, ", ") + " or "
	}
	would += strings.Join(schemes, "… or ") + "…"
	for _, s := range schemes {
		if !strings.HasPrefix(v, s) {
			continue
		}
		if u, err := url.Parse(v); err != nil || u.Host == "" && u.RawQuery == "" {
			r.fault(n, name+" is no valid URL", "percent-encode what is special in user and password")
		}
		return
	}
	r.fault(n, name+" is not an address that is known here", would)
}

// hasLiteralPassword says whether a connection text, with its references unresolved, holds a
// password that is not made of references alone.
func hasLiteralPassword(text string) bool {
	for _, m := range keywordPassword.FindAllStringSubmatch(text, -1) {
		if p := strings.Trim(m[1], "'"); p != "" && !onlyRefs.MatchString(p) {
			return true
		}
	}
	_, rest, isURL := strings.Cut(text, "://")
	if !isURL {
		return false
	}
	if end := strings.IndexAny(rest, "/?#"); end >= 0 && strings.LastIndex(rest, "@") < end {
		rest = rest[:end]
	}
	at := strings.LastIndex(rest, "@")
	if at < 0 {
		return false
	}
	_, password, found := strings.Cut(rest[:at], ":")
	return found && password != "" && !onlyRefs.MatchString(password)
}

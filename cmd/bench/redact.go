package main

import (
	"io"
	"regexp"
)

// A password in a URL, and one in its query.
var (
	userPassword  = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://[^\s:@/"']*):[^\s"',]*@`)
	queryPassword = regexp.MustCompile(`(?i)([?&](?:password|passwd|pwd|secret|token|auth_?token|access_?key)=)[^&\s"',]+`)
)

// redact replaces the passwords of all URLs in the text.
func redact(text string) string {
	return queryPassword.ReplaceAllString(userPassword.ReplaceAllString(text, "$1:xxxxx@"), "${1}xxxxx")
}

// redacting is a writer that redacts each write by itself: a URL must not be cut in two writes.
type redacting struct{ to io.Writer }

func hideSecrets(w io.Writer) io.Writer { return redacting{w} }

func (r redacting) Write(p []byte) (int, error) {
	if _, err := io.WriteString(r.to, redact(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

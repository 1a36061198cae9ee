package main

import (
	"io"
	"regexp"
	"sync"
)

// A password in a URL, and one in its query.
var (
	userPassword  = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://[^\s:@/"']*):[^\s"',]*@`)
	queryPassword = regexp.MustCompile(`(?i)([?&]\w*(?:password|passwd|pwd|secret|token|auth_?token|access_?key)=)[^&\s"',]+`)
)

// next is where the next URL of a list begins.
var next = regexp.MustCompile(`;[a-zA-Z][a-zA-Z0-9+.-]*://`)

// redact replaces the passwords of all URLs in the text, of a list those of each.
func redact(text string) string {
	if at := next.FindStringIndex(text); at != nil {
		return redact(text[:at[0]]) + ";" + redact(text[at[0]+1:])
	}
	return queryPassword.ReplaceAllString(userPassword.ReplaceAllString(text, "$1:xxxxx@"), "${1}xxxxx")
}

// redacting is a writer that redacts each write by itself: a URL must not be cut in two writes. The command and
// its signal handler write at the same time.
type redacting struct {
	mu sync.Mutex
	to io.Writer
}

func hideSecrets(w io.Writer) io.Writer { return &redacting{to: w} }

func (r *redacting) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := io.WriteString(r.to, redact(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

package lab

import (
	"net/url"
	"strings"

	"taskbench/brokers"
)

// Redact returns a URL that may be shown: its password is replaced by "xxxxx", and so is the value of every
// query parameter whose name speaks of a secret. Of several URLs with semicolons between them it redacts each.
func Redact(raw string) string {
	parts := brokers.URLs(raw)
	for i, part := range parts {
		parts[i] = redactOne(part)
	}
	return brokers.JoinURLs(parts)
}

func redactOne(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "(a URL that cannot be parsed)"
	}
	if _, has := u.User.Password(); has {
		u.User = url.UserPassword(u.User.Username(), hidden)
	}
	if u.RawQuery != "" {
		q := u.Query()
		for name := range q {
			if secretive(name) {
				q.Set(name, hidden)
			}
		}
		u.RawQuery = q.Encode()
	}
	return u.String()
}

const hidden = "xxxxx"

func secretive(name string) bool {
	name = strings.ToLower(name)
	for _, word := range []string{"pass", "secret", "token", "key", "auth"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// RedactError returns an error whose text has the secrets of the URL replaced; it wraps err.
func RedactError(err error, raw string) error {
	if err == nil {
		return nil
	}
	text := strings.ReplaceAll(err.Error(), raw, Redact(raw))
	for _, part := range brokers.URLs(raw) {
		u, parsed := url.Parse(part)
		if parsed != nil {
			continue
		}
		if password, has := u.User.Password(); has && password != "" {
			text = strings.ReplaceAll(text, password, hidden)
			text = strings.ReplaceAll(text, url.QueryEscape(password), hidden)
		}
		for name, values := range u.Query() {
			for _, v := range values {
				if secretive(name) && v != "" {
					text = strings.ReplaceAll(text, v, hidden)
				}
			}
		}
	}
	if text == err.Error() {
		return err
	}
	return redacted{text, err}
}

type redacted struct {
	text string
	err  error
}

func (r redacted) Error() string { return r.text }
func (r redacted) Unwrap() error { return r.err }

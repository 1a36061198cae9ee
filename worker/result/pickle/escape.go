package pickle

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

var errEscape = errors.New("a string has a broken escape")

// unescape reads a string of protocol 0: V is raw unicode escapes in Latin-1, S is a quoted literal of Python.
func unescape(op byte, s string) (string, error) {
	if op == 'V' {
		return unescapeRaw(s)
	}
	if len(s) < 2 || s[0] != s[len(s)-1] || s[0] != '\'' && s[0] != '"' {
		return "", errors.New("a string has no quotes")
	}
	return unescapeLiteral(s[1 : len(s)-1])
}

func unescapeRaw(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); {
		if s[i] != '\\' || i+1 >= len(s) || s[i+1] != 'u' && s[i+1] != 'U' {
			b.WriteRune(rune(s[i])) // Latin-1
			i++
			continue
		}
		r, n, err := escapedRune(s[i:])
		if err != nil {
			return "", err
		}
		i += n
		if utf16.IsSurrogate(r) {
			low, n, err := escapedRune(s[i:])
			if err != nil || utf16.DecodeRune(r, low) == utf8.RuneError {
				return "", errText
			}
			r = utf16.DecodeRune(r, low)
			i += n
		}
		b.WriteRune(r)
	}
	return b.String(), nil
}

// escapedRune reads \uXXXX or \UXXXXXXXX and tells how long it is.
func escapedRune(s string) (r rune, n int, err error) {
	if len(s) < 2 {
		return 0, 0, errEscape
	}
	n = 6
	if s[1] == 'U' {
		n = 10
	}
	if len(s) < n || s[0] != '\\' {
		return 0, 0, errEscape
	}
	code, err := strconv.ParseUint(s[2:n], 16, 32)
	if err != nil || code > utf8.MaxRune {
		return 0, 0, errEscape
	}
	return rune(code), n, nil
}

var simple = map[byte]byte{'n': '\n', 't': '\t', 'r': '\r', 'a': '\a', 'b': '\b', 'f': '\f', 'v': '\v', '\\': '\\', '\'': '\'', '"': '"'}

// unescapeLiteral reads a literal as repr writes it: \xNN for what is not printable. It must come to UTF-8.
func unescapeLiteral(s string) (string, error) {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b = append(b, s[i])
			continue
		}
		i++
		switch {
		case i >= len(s):
			return "", errEscape
		case s[i] == 'x' && i+2 < len(s):
			code, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
			if err != nil {
				return "", errEscape
			}
			b = append(b, byte(code))
			i += 2
		case simple[s[i]] != 0:
			b = append(b, simple[s[i]])
		default:
			return "", errEscape
		}
	}
	if !utf8.Valid(b) {
		return "", errText
	}
	return string(b), nil
}

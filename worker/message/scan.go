package message

import (
	"bytes"
	"errors"
	"fmt"
)

// The scanner finds where JSON values end, checks their syntax on the way, and decodes nothing. It takes what
// Python writes beyond JSON: NaN, Infinity and -Infinity.

// deepest bounds nesting, so that hostile input cannot exhaust the stack.
const deepest = 1000

var errDeep = fmt.Errorf("nested deeper than %d", deepest)

func syntaxAt(b []byte, i int) error {
	if i >= len(b) {
		return errors.New("it ends too early")
	}
	return fmt.Errorf("unexpected %q at byte %d", b[i], i)
}

func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// skip returns the index just after the value that begins at b[i].
func skip(b []byte, i, depth int) (int, error) {
	if i >= len(b) {
		return i, syntaxAt(b, i)
	}
	switch c := b[i]; {
	case c == '"':
		return skipString(b, i)
	case c == '{':
		return scanObject(b, i, depth, func(_ []byte, i int) (int, error) { return skip(b, i, depth+1) })
	case c == '[':
		return scanArray(b, i, depth, func(i int) (int, error) { return skip(b, i, depth+1) })
	case c == '-' || '0' <= c && c <= '9':
		return skipNumber(b, i)
	}
	for _, word := range [...]string{"null", "true", "false", "NaN", "Infinity"} {
		if bytes.HasPrefix(b[i:], []byte(word)) {
			return i + len(word), nil
		}
	}
	return i, syntaxAt(b, i)
}

func skipString(b []byte, i int) (int, error) {
	for j := i + 1; j < len(b); j++ {
		switch c := b[j]; {
		case c == '"':
			return j + 1, nil
		case c == '\\':
			n, err := skipEscape(b, j)
			if err != nil {
				return n, err
			}
			j = n
		case c < ' ':
			return j, syntaxAt(b, j)
		}
	}
	return len(b), syntaxAt(b, len(b))
}

// skipEscape returns the index of the last byte of the escape sequence that begins at b[i].
func skipEscape(b []byte, i int) (int, error) {
	i++
	if i >= len(b) {
		return i, syntaxAt(b, i)
	}
	switch b[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i, nil
	case 'u':
		for n := range 4 {
			j := i + 1 + n
			if j >= len(b) || !isHex(b[j]) {
				return j, syntaxAt(b, j)
			}
		}
		return i + 4, nil
	}
	return i, syntaxAt(b, i)
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func digits(b []byte, i int) int {
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		i++
	}
	return i
}

func skipNumber(b []byte, i int) (int, error) {
	if b[i] == '-' {
		i++
		if bytes.HasPrefix(b[i:], []byte("Infinity")) {
			return i + len("Infinity"), nil
		}
	}
	from := i
	i = digits(b, i)
	if i == from || b[from] == '0' && i > from+1 {
		return from, syntaxAt(b, from)
	}
	if i < len(b) && b[i] == '.' {
		from, i = i+1, digits(b, i+1)
		if i == from {
			return i, syntaxAt(b, i)
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		from, i = i, digits(b, i)
		if i == from {
			return i, syntaxAt(b, i)
		}
	}
	return i, nil
}

// scanArray goes over the array at b[i]. It hands the index of every element to item, which returns the index just
// after it.
func scanArray(b []byte, i, depth int, item func(i int) (int, error)) (int, error) {
	if depth >= deepest {
		return i, errDeep
	}
	i = space(b, i+1)
	if i < len(b) && b[i] == ']' {
		return i + 1, nil
	}
	for {
		end, err := item(i)
		if err != nil {
			return end, err
		}
		i = space(b, end)
		switch {
		case i < len(b) && b[i] == ',':
			i = space(b, i+1)
		case i < len(b) && b[i] == ']':
			return i + 1, nil
		default:
			return i, syntaxAt(b, i)
		}
	}
}

// scanObject goes over the object at b[i]. It hands every key, still quoted, and the index of its value to item,
// which returns the index just after that value.
func scanObject(b []byte, i, depth int, item func(key []byte, i int) (int, error)) (int, error) {
	if depth >= deepest {
		return i, errDeep
	}
	i = space(b, i+1)
	if i < len(b) && b[i] == '}' {
		return i + 1, nil
	}
	for {
		if i >= len(b) || b[i] != '"' {
			return i, syntaxAt(b, i)
		}
		keyEnd, err := skipString(b, i)
		if err != nil {
			return keyEnd, err
		}
		key := b[i:keyEnd]
		i = space(b, keyEnd)
		if i >= len(b) || b[i] != ':' {
			return i, syntaxAt(b, i)
		}
		end, err := item(key, space(b, i+1))
		if err != nil {
			return end, err
		}
		i = space(b, end)
		switch {
		case i < len(b) && b[i] == ',':
			i = space(b, i+1)
		case i < len(b) && b[i] == '}':
			return i + 1, nil
		default:
			return i, syntaxAt(b, i)
		}
	}
}

// elements cuts the array at b[i] into its elements.
func elements(b []byte, i int, each func(raw []byte)) (int, error) {
	return scanArray(b, i, 0, func(i int) (int, error) {
		end, err := skip(b, i, 1)
		if err == nil {
			each(b[i:end:end])
		}
		return end, err
	})
}

// members cuts the object at b[i] into its members.
func members(b []byte, i int, each func(key string, raw []byte)) (int, error) {
	return scanObject(b, i, 0, func(key []byte, i int) (int, error) {
		end, err := skip(b, i, 1)
		if err == nil {
			each(unquote(key), b[i:end:end])
		}
		return end, err
	})
}

// atEnd checks that only white space follows.
func atEnd(b []byte, i int) error {
	if i = space(b, i); i != len(b) {
		return syntaxAt(b, i)
	}
	return nil
}

package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// A value ties one place in YAML to one place in a struct, both ways.
type value interface {
	// read sets the place from the node and tells the reader of every mistake.
	read(r *reader, path string, n ast.Node)
	// write is what goes into the YAML, nil for nothing.
	write() any
}

// A field is one key of a mapping.
type field struct {
	key string
	value
}

func keys(fields []field) []string { return names(fields, func(f field) string { return f.key }) }

// A scalar is a value that is one word.
type scalar struct {
	parse  func(text string) error
	format func() any
}

func (s scalar) read(r *reader, path string, n ast.Node) {
	text, ok := r.text(path, n)
	if !ok {
		return
	}
	if err := s.parse(text); err != nil {
		r.wrong(path, err.Error())
	}
}

func (s scalar) write() any { return s.format() }

// of makes a scalar from a pair of functions; the zero value is not written.
func of[T comparable](to *T, parse func(string) (T, error), format func(T) any) scalar {
	return scalar{
		parse: func(text string) error {
			v, err := parse(text)
			if err == nil {
				*to = v
			}
			return err
		},
		format: func() any {
			var zero T
			if *to == zero {
				return nil
			}
			return format(*to)
		},
	}
}

func duration(to *time.Duration) value {
	return of(to, ParseDuration, func(d time.Duration) any { return FormatDuration(d) })
}

// always is a duration that is written even when it is 0.
func always(to *time.Duration) value {
	return scalar{duration(to).(scalar).parse, func() any { return FormatDuration(*to) }}
}

func rate(to *float64) value {
	return of(to, ParseRate, func(f float64) any { return FormatRate(f) })
}

func size(to *int64) value {
	return of(to, ParseSize, func(n int64) any { return FormatSize(n) })
}

func text(to *string) value {
	return of(to, func(s string) (string, error) { return strings.TrimSpace(s), nil }, func(s string) any { return s })
}

func count[T int | int64](to *T) value {
	parse := func(s string) (T, error) {
		n, err := ParseCount(s)
		return T(n), err
	}
	return of(to, parse, func(n T) any { return n })
}

// positive is a count or a duration for which 0 would mean that nothing was said.
func positive[T int | time.Duration](to *T, otherwise value) value {
	inner := otherwise.(scalar)
	return scalar{format: inner.format, parse: func(s string) error {
		before := *to
		err := inner.parse(s)
		if err == nil && *to <= 0 {
			*to, err = before, fmt.Errorf("%q must be above 0", s)
		}
		return err
	}}
}

func seed(to *uint64) value {
	parse := func(s string) (uint64, error) {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%q is no seed: want a whole number, 0 or more", s)
		}
		return n, nil
	}
	return of(to, parse, func(n uint64) any { return n })
}

// oneOf is a word out of a fixed list.
func oneOf(to *string, what string, known ...string) value {
	parse := func(s string) (string, error) {
		if !slices.Contains(known, s) {
			return "", errors.New(unknown(what, s, known))
		}
		return s, nil
	}
	return of(to, parse, func(s string) any { return s })
}

// A refused value is a key that is a mistake, whatever stands there.
type refused string

func (v refused) read(r *reader, path string, _ ast.Node) { r.wrong(path, string(v)) }
func (v refused) write() any                              { return nil }

package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"taskbench/brokers/nearest"
	"taskbench/harness"
	"taskbench/harness/scenario"
)

// A value is a flag whose mistakes are kept until all flags were read.
type value[T any] struct {
	app   *app
	name  string
	kind  string // as help names the value
	to    *T
	text  string // as help shows the default
	parse func(text string, have T, again bool) (T, error)
	seen  bool
}

func (v *value[T]) String() string { return v.text }
func (v *value[T]) Type() string   { return v.kind }

// Set never fails: pflag would stop at the first mistake, and all are wanted at once.
func (v *value[T]) Set(text string) error {
	got, err := v.parse(text, *v.to, v.seen)
	v.seen = true
	if err != nil {
		v.app.mistake(fmt.Errorf("--%s %s: %w", v.name, text, err))
		return nil
	}
	*v.to, v.text = got, text
	return nil
}

// valueFlag adds a flag to the command. The default shown is the text, which is not parsed.
func valueFlag[T any](a *app, c *cobra.Command, to *T, name, kind, text, doc string, parse func(string) (T, error)) {
	c.Flags().Var(&value[T]{app: a, name: name, kind: kind, to: to, text: text, parse: func(s string, _ T, _ bool) (T, error) { return parse(s) }}, name, doc)
}

// listFlag adds a flag that takes a list, separated by commas or given several times.
func listFlag(a *app, c *cobra.Command, to *[]string, name, kind, doc string) {
	c.Flags().Var(&value[[]string]{app: a, name: name, kind: kind, to: to, text: strings.Join(*to, ","), parse: func(s string, have []string, again bool) ([]string, error) {
		if !again {
			have = nil // what was given replaces the default
		}
		for part := range strings.SplitSeq(s, ",") {
			part = strings.TrimSpace(part)
			if part == "" {
				return nil, fmt.Errorf("an empty name in the list")
			}
			if !slices.Contains(have, part) {
				have = append(have, part)
			}
		}
		return have, nil
	}}, name, doc)
}

// repeatFlag adds a flag that is given several times, each time with one text.
func repeatFlag(a *app, c *cobra.Command, to *[]string, name, kind, doc string) {
	c.Flags().Var(&value[[]string]{app: a, name: name, kind: kind, to: to, parse: func(s string, have []string, _ bool) ([]string, error) {
		return append(have, s), nil
	}}, name, doc)
}

// mapFlag adds a flag that takes NAME=VALUE, several times.
func mapFlag(a *app, c *cobra.Command, to *map[string]string, name, kind, doc string) {
	c.Flags().Var(&value[map[string]string]{app: a, name: name, kind: kind, to: to, parse: func(s string, have map[string]string, _ bool) (map[string]string, error) {
		key, val, ok := strings.Cut(s, "=")
		if !ok || key == "" || val == "" {
			return nil, fmt.Errorf("want %s", kind)
		}
		if have == nil {
			have = map[string]string{}
		}
		have[key] = val
		return have, nil
	}}, name, doc)
}

// mistake notes down what is wrong with the command line.
func (a *app) mistake(err error) {
	if err != nil {
		a.mistakes = append(a.mistakes, flatten(err)...)
	}
}

// mistaken is all that is wrong with the command line, or nil.
func (a *app) mistaken(also ...error) error {
	for _, err := range also {
		a.mistake(err)
	}
	if len(a.mistakes) == 0 {
		return nil
	}
	return harness.InputError{Err: joined(a.mistakes)}
}

// unknownFlags finds the flags of the command line that the command does not have.
func unknownFlags(c *cobra.Command, args []string) []error {
	var wrong []error
	for i := 0; i < len(args) && args[i] != "--"; i++ {
		arg, _, given := strings.Cut(args[i], "=")
		name, long := strings.CutPrefix(arg, "--")
		var f *pflag.Flag
		switch {
		case long:
			f = c.Flags().Lookup(name)
		case len(arg) > 1 && arg[0] == '-':
			f = c.Flags().ShorthandLookup(arg[1:2])
		default:
			continue
		}
		if f == nil {
			wrong = append(wrong, unknownFlag(arg, flagNames(c)))
		} else if !given && f.NoOptDefVal == "" {
			i++ // the next argument is its value
		}
	}
	return wrong
}

// unknownFlag suggests what other commands taught: -o for the one flag that begins so, --output for --out.
func unknownFlag(got string, known []string) error {
	var begin []string
	for _, name := range known {
		if len(got) == 2 && strings.HasPrefix(name, "-"+got) || len(name) > 4 && strings.HasPrefix(got, name) {
			begin = append(begin, name)
		}
	}
	if len(begin) == 1 {
		return fmt.Errorf("no flag %q; did you mean %s?", got, begin[0])
	}
	if path := scenario.PathOf(strings.TrimLeft(got, "-")); path != "" && slices.Contains(known, "--set") {
		return fmt.Errorf("no flag %q; a scenario's own setting is changed by --set %s=VALUE", got, path)
	}
	return unknown("flag", got, known)
}

func flagNames(c *cobra.Command) []string {
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
	return names
}

// unknown says that there is no such thing, with the nearest one that there is.
func unknown(what, got string, known []string) error {
	if near := nearest.Name(got, known); near != "" {
		return fmt.Errorf("no %s %q; did you mean %s?", what, got, near)
	}
	if len(known) > 12 {
		return fmt.Errorf("no %s %q", what, got)
	}
	return fmt.Errorf("no %s %q; there is %s", what, got, strings.Join(known, ", "))
}

// oneOf is a parser of names.
func oneOf(known ...string) func(string) (string, error) {
	return func(s string) (string, error) {
		if !slices.Contains(known, s) {
			return "", unknown("such value", s, known)
		}
		return s, nil
	}
}

// atLeast is a parser of whole numbers.
func atLeast(least int) func(string) (int, error) {
	return func(s string) (int, error) {
		n, err := strconv.Atoi(s)
		if err != nil || cmp.Less(n, least) {
			return 0, fmt.Errorf("want a whole number of at least %d", least)
		}
		return n, nil
	}
}

// anyText is a parser that takes whatever is there.
func anyText(s string) (string, error) {
	if s == "" {
		return "", errors.New("it is empty")
	}
	return s, nil
}

func parseSeed(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("want a whole number from 0 to 18446744073709551615")
	}
	return n, nil
}

// positive lets a parser take no value that is not above zero.
func positive[T int64 | float64 | time.Duration](parse func(string) (T, error)) func(string) (T, error) {
	return func(s string) (T, error) {
		v, err := parse(s)
		if err == nil && v <= 0 {
			err = errors.New("must be above 0")
		}
		return v, err
	}
}

// notNegative lets a parser take no value below zero.
func notNegative[T int64 | float64 | time.Duration](parse func(string) (T, error)) func(string) (T, error) {
	return func(s string) (T, error) {
		v, err := parse(s)
		if err == nil && v < 0 {
			err = errors.New("must not be negative")
		}
		return v, err
	}
}

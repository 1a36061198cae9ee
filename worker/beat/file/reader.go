package file

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"taskbench/brokers/nearest"
	"taskbench/worker/beat"
	"taskbench/worker/beat/schedule"
)

// A reader walks a syntax tree and collects mistakes.
type reader struct {
	file     string
	zone     *time.Location
	problems Problems
}

// A field is a key with its value.
type field struct {
	key   string
	name  ast.Node
	value ast.Node
}

func (r *reader) wrong(n ast.Node, format string, args ...any) {
	line := 0
	if n != nil {
		if t := n.GetToken(); t != nil && t.Position != nil {
			line = t.Position.Line
		}
	}
	r.problems = append(r.problems, Problem{File: r.file, Line: line, Text: fmt.Sprintf(format, args...)})
}

// mapping returns the fields of a mapping, in the order of the file.
func (r *reader) mapping(n ast.Node, what string) (fields []field) {
	var values []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		r.wrong(n, "%s: want a mapping of keys to values", what)
	}
	var seen []string
	for _, v := range values {
		key := v.Key.GetToken().Value
		switch {
		case slices.Contains(seen, key):
			r.wrong(v.Key, "%s: the key %s is there twice", what, key)
		case v.Value == nil || v.Value.Type() == ast.NullType:
			r.wrong(v.Key, "%s: %s has no value", what, key)
		default:
			fields = append(fields, field{key, v.Key, v.Value})
		}
		seen = append(seen, key)
	}
	return fields
}

func (r *reader) unknown(f field, known []string) {
	if near := nearest.Name(f.key, known); near != "" {
		r.wrong(f.name, "there is no key %s: did you mean %s?", f.key, near)
		return
	}
	r.wrong(f.name, "there is no key %s: there is %s", f.key, strings.Join(known, ", "))
}

func (r *reader) location(f field) {
	text := f.value.GetToken().Value
	loc, err := time.LoadLocation(text)
	if err != nil || text == time.Local.String() || text == "" {
		r.wrong(f.value, "timezone %q is not in the time zone database", text)
		return
	}
	r.zone = loc
}

// keys are those of an entry, in the order in which they are told.
var keys = []string{
	"task", "schedule", "args", "kwargs", "queue", "priority", "expires", "soft_time_limit", "time_limit", "headers", "enabled",
	"one_off", "start", "until", "catch_up", "catch_up_limit", "deadline", "description",
}

func (r *reader) entry(f field) beat.Entry {
	e := beat.Entry{Name: f.key}
	before := len(r.problems)
	for _, f := range r.mapping(f.value, "entry "+e.Name) {
		if !slices.Contains(keys, f.key) {
			r.unknown(f, keys)
		} else if err := r.fill(&e, f); err != nil {
			r.wrong(f.value, "entry %s: %s: %v", e.Name, f.key, err)
		}
	}
	if len(r.problems) > before { // what is missing may be what could not be read
		return e
	}
	if err := e.Validate(); err != nil {
		for text := range strings.SplitSeq(err.Error(), "\n") {
			r.wrong(f.name, "entry %s: %s", e.Name, text)
		}
	}
	return e
}

// fill sets one field of an entry.
func (r *reader) fill(e *beat.Entry, f field) (err error) {
	switch f.key {
	case "task":
		e.Task, err = text(f.value)
	case "schedule":
		e.Schedule, err = r.schedule(f.value)
	case "args":
		err = decode(f.value, &e.Args, "a list")
	case "kwargs":
		err = decode(f.value, &e.Kwargs, "a mapping")
	case "headers":
		err = decode(f.value, &e.Options.Headers, "a mapping")
	case "queue":
		e.Options.Queue, err = text(f.value)
	case "priority":
		var n int
		if n, err = number(f.value, 9); err == nil {
			e.Options.Priority = uint8(n)
		}
	case "expires":
		e.Options.Expires, err = duration(f.value)
	case "soft_time_limit":
		e.Options.Soft, err = duration(f.value)
	case "time_limit":
		e.Options.Hard, err = duration(f.value)
	case "enabled":
		var on bool
		on, err = truth(f.value)
		e.Disabled = !on
	case "one_off":
		e.OneOff, err = truth(f.value)
	case "start":
		e.Start, err = moment(f.value)
	case "until":
		e.Until, err = moment(f.value)
	case "catch_up":
		var name string
		if name, err = text(f.value); err == nil {
			e.CatchUp.Policy, err = schedule.ParseCatchUp(name)
		}
	case "catch_up_limit":
		e.CatchUp.Limit, err = number(f.value, math.MaxInt32)
	case "deadline":
		e.CatchUp.Deadline, err = duration(f.value)
	case "description":
		_, err = text(f.value)
	}
	return err
}

// schedule reads a schedule, in the file's time zone where it names none itself.
func (r *reader) schedule(n ast.Node) (schedule.Schedule, error) {
	line, err := text(n)
	if err != nil {
		return nil, err
	}
	s, err := schedule.Parse(line)
	if err != nil {
		return nil, err
	}
	switch v := s.(type) {
	case schedule.Crontab:
		if len(strings.Fields(line)) == 5 {
			v.Location = r.zone
		}
		return v, nil
	case schedule.Interval:
		if v.Align == schedule.Relative && v.Location == nil {
			v.Location = r.zone
		}
		return v, nil
	}
	return s, nil
}

// text is the word at a node.
func text(n ast.Node) (string, error) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, nil
	case *ast.LiteralNode:
		return n.Value.Value, nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, nil
	}
	return "", fmt.Errorf("want one word, not a list or a mapping")
}

func duration(n ast.Node) (time.Duration, error) {
	s, err := text(n)
	if err != nil {
		return 0, err
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is no duration: write one such as 20ms, 30s or 8h", s)
	}
	return d, nil
}

func moment(n ast.Node) (time.Time, error) {
	s, err := text(n)
	if err != nil {
		return time.Time{}, err
	}
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is no time: write one such as 2030-01-02T03:04:05Z", s)
	}
	return at, nil
}

func truth(n ast.Node) (bool, error) {
	b, ok := n.(*ast.BoolNode)
	if !ok {
		return false, fmt.Errorf("want true or false")
	}
	return b.Value, nil
}

func number(n ast.Node, most int) (int, error) {
	s, err := text(n)
	if err != nil {
		return 0, err
	}
	v, err := strconv.Atoi(s)
	if err != nil || v < 0 || v > most {
		return 0, fmt.Errorf("%q is not a whole number from 0 to %d", s, most)
	}
	return v, nil
}

// decode reads values as they are.
func decode(n ast.Node, into any, want string) error {
	if err := yaml.NodeToValue(n, into); err != nil {
		return fmt.Errorf("want %s", want)
	}
	return nil
}

// Package route says by a task's name where its messages go: to a queue, or to an exchange under a key.
package route

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"taskbench/brokers"
)

// A Rule sends the tasks that fit its pattern to one place. The pattern is a glob, in which * stands for any text and
// ? for one character; or a regular expression between slashes, which must fit the whole name.
//
// Queue and Key may hold names in double braces, as in "appserver_{{id}}": a queue for each instance of something.
// Such a name is looked up among the named groups of the regular expression, then among the values that the table
// was made with, and then among what the caller knows of the task, such as its keyword arguments.
type Rule struct {
	Task     string           `json:"task"`
	Queue    string           `json:"queue,omitempty"`
	Exchange brokers.Exchange `json:"exchange,omitzero"` // wins over Queue
	Key      string           `json:"key,omitempty"`     // with Exchange
	Priority *uint8           `json:"priority,omitempty"`
}

// A Target is where a message goes. Exchange.Name is empty where it goes to the queue itself.
type Target struct {
	Queue    string
	Exchange brokers.Exchange
	Key      string
	Priority *uint8
}

// A Table is a list of rules of which the first that fits counts. A nil table has none. It is not changed once made,
// and safe for concurrent use.
type Table struct {
	rules  []compiled
	values map[string]string
}

type compiled struct {
	Rule
	pattern *regexp.Regexp
	names   bool // Queue or Key has names in braces
}

// New makes a table. Its error joins one for each rule that says nothing, or whose pattern is none.
func New(rules []Rule, values map[string]string) (*Table, error) {
	t := &Table{values: values}
	var errs []error
	for i, r := range rules {
		wrong := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("route %d (%s): %s", i+1, r.Task, fmt.Sprintf(format, args...)))
		}
		pattern, err := compile(r.Task)
		if err != nil {
			wrong("%v", err)
		}
		switch {
		case r.Queue == "" && r.Exchange.Name == "" && r.Priority == nil:
			wrong("it names neither a queue nor an exchange")
		case r.Exchange.Name != "" && !slices.Contains([]brokers.ExchangeKind{brokers.Direct, brokers.Topic, brokers.Fanout}, r.Exchange.Kind):
			wrong("exchange %s is of kind %q, not direct, topic or fanout", r.Exchange.Name, r.Exchange.Kind)
		}
		for _, text := range []string{r.Queue, r.Key} {
			if _, err := Expand(text, func(string) (string, bool) { return "x", true }); err != nil {
				wrong("%v", err)
			}
		}
		t.rules = append(t.rules, compiled{r, pattern, strings.Contains(r.Queue+r.Key, "{{")})
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return t, nil
}

func compile(text string) (*regexp.Regexp, error) {
	if text == "" {
		return nil, errors.New("it fits no task: name one, or * for all")
	}
	if len(text) > 2 && text[0] == '/' && text[len(text)-1] == '/' {
		return regexp.Compile(`^(?s:` + text[1:len(text)-1] + `)$`)
	}
	quoted := regexp.QuoteMeta(text)
	quoted = strings.ReplaceAll(strings.ReplaceAll(quoted, `\*`, `.*`), `\?`, `.`)
	return regexp.Compile(`^(?s:` + quoted + `)$`)
}

// Route finds where a task goes; false says that no rule fits. Known looks up a name that neither the rule's pattern
// nor the table has a value for, and may be nil. An error says which name has none: the task must not be sent then.
func (t *Table) Route(task string, known func(name string) (string, bool)) (Target, bool, error) {
	if t == nil {
		return Target{}, false, nil
	}
	for i := range t.rules {
		r := &t.rules[i]
		groups := r.pattern.FindStringSubmatch(task)
		if groups == nil {
			continue
		}
		to := Target{Queue: r.Queue, Exchange: r.Exchange, Key: r.Key, Priority: r.Priority}
		if r.names {
			look := func(name string) (string, bool) {
				if g := r.pattern.SubexpIndex(name); g > 0 {
					return groups[g], true
				}
				if v, ok := t.values[name]; ok || known == nil {
					return v, ok
				}
				return known(name)
			}
			var errs [2]error
			to.Queue, errs[0] = Expand(r.Queue, look)
			to.Key, errs[1] = Expand(r.Key, look)
			if err := errors.Join(errs[:]...); err != nil {
				return Target{}, true, fmt.Errorf("route task %s: %w", task, err)
			}
		}
		return to, true, nil
	}
	return Target{}, false, nil
}

// Expand replaces each name in double braces by its value. An error names the first that has none, or an empty one.
func Expand(text string, value func(name string) (string, bool)) (string, error) {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "{{")
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		name, after, closed := strings.Cut(rest, "}}")
		if !closed {
			return "", fmt.Errorf("%q has {{ without }}", text)
		}
		v, ok := value(strings.TrimSpace(name))
		if !ok || v == "" {
			return "", fmt.Errorf("there is no value for {{%s}}", name)
		}
		out.WriteString(v)
		text = after
	}
}

package scenario

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Override changes a resolved scenario by assignments such as "load.rate=500/s", "faults.0.for=2s" or
// "system.acks=early"; values are YAML. All are applied before the whole is judged again. On error, which is all
// mistakes as Problems, the scenario is left as it was.
func Override(s *Scenario, k Known, assignments ...string) error {
	changed := *s
	changed.Workload.Tasks = slices.Clone(s.Workload.Tasks)
	changed.Faults = slices.Clone(s.Faults)
	for i := range changed.Faults {
		changed.Faults[i].Params = maps.Clone(changed.Faults[i].Params)
	}
	changed.Chaos.Faults = slices.Clone(s.Chaos.Faults)
	for i := range changed.Chaos.Faults {
		changed.Chaos.Faults[i].Fault.Params = maps.Clone(changed.Chaos.Faults[i].Fault.Params)
	}
	changed.Run.Faults = slices.Clone(s.Run.Faults)
	r := &reader{lines: map[string]int{}}
	for _, a := range assignments {
		path, text, ok := strings.Cut(a, "=")
		path = strings.TrimSpace(path)
		if !ok || path == "" {
			r.problems = append(r.problems, Problem{Text: fmt.Sprintf("%q is no assignment: want path=value, such as load.rate=500/s", a)})
			continue
		}
		v, err := find(changed.table(), path)
		if err != nil {
			r.wrong(path, err.Error())
			continue
		}
		node, err := document([]byte(text))
		if err != nil {
			node = ast.Null(nil)
		}
		v.read(r, path, node)
	}
	changed = changed.judged(r, k)
	if err := r.problems.asError(); err != nil {
		return err
	}
	*s = changed
	return nil
}

// find follows a path through the tables.
func find(b block, path string) (value, error) {
	var at value = b
	var within string
	for key := range strings.SplitSeq(path, ".") {
		switch v := at.(type) {
		case block:
			next, ok := v.child(key)
			switch {
			case ok:
				at = next
			case v.rest != nil:
				at = v.rest(key)
			default:
				return nil, fmt.Errorf("%s", unknown("key", key, keys(v.fields)))
			}
		case interface{ child(string) (value, error) }:
			next, err := v.child(key)
			if err != nil {
				return nil, err
			}
			at = next
		case distribution:
			next, ok := v.table().child(key)
			if !ok {
				return nil, fmt.Errorf("%s", unknown("key", key, keys(v.table().fields)))
			}
			at = next
		default:
			return nil, fmt.Errorf("%s has no parts", within)
		}
		within = join(within, key)
	}
	return at, nil
}

// PathOf is the path, as Override takes it, of the setting of load or system that is called key, or "".
func PathOf(key string) string {
	var s Scenario
	for _, f := range s.table().fields {
		if b, ok := f.value.(block); ok && (f.key == "load" || f.key == "system") && slices.Contains(keys(b.fields), key) {
			return f.key + "." + key
		}
	}
	return ""
}

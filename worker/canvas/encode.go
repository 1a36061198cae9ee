package canvas

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
)

// MarshalJSON writes the signature as Celery does. Options and unknown members come in the order of their names.
// Values of Celery's dialect beyond JSON, NaN for one, make encoding/json refuse the outcome.
func (s Signature) MarshalJSON() ([]byte, error) {
	if err := s.Err(); err != nil {
		return nil, err
	}
	return s.append(nil), nil
}

// append writes what MarshalJSON does, in Celery's dialect, and does not look at errors.
func (s Signature) append(buf []byte) []byte {
	buf = appendString(append(buf, `{"task": `...), s.Task)
	buf = appendList(append(buf, `, "args": `...), s.Args)
	buf = s.appendKwargs(append(buf, `, "kwargs": `...))
	buf = appendObject(append(buf, `, "options": `...), s.Options)
	buf = append(buf, `, "subtask_type": `...)
	if s.Kind == "" {
		buf = append(buf, "null"...)
	} else {
		buf = appendString(buf, string(s.Kind))
	}
	buf = strconv.AppendBool(append(buf, `, "immutable": `...), s.Immutable)
	for _, name := range slices.Sorted(maps.Keys(s.Extra)) {
		buf = appendString(append(buf, ", "...), name)
		buf = append(append(buf, ": "...), s.Extra[name]...)
	}
	return append(buf, '}')
}

// appendKwargs puts what a composition is made of back to where Celery keeps it.
func (s Signature) appendKwargs(buf []byte) []byte {
	kwargs := maps.Clone(s.Kwargs)
	if kwargs == nil {
		kwargs = map[string]json.RawMessage{}
	}
	switch s.Kind {
	case KindChain, KindGroup:
		kwargs["tasks"] = appendTasks(nil, s.Tasks)
	case KindChord:
		if s.header == nil {
			kwargs["header"] = appendTasks(nil, s.Tasks)
		} else {
			header := *s.header
			header.Tasks = s.Tasks
			kwargs["header"] = header.append(nil)
		}
		kwargs["body"] = json.RawMessage("null")
		if s.Body != nil {
			kwargs["body"] = s.Body.append(nil)
		}
	}
	return appendObject(buf, kwargs)
}

func appendTasks(buf []byte, tasks []Signature) []byte {
	buf = append(buf, '[')
	for i, t := range tasks {
		if i > 0 {
			buf = append(buf, ", "...)
		}
		buf = t.append(buf)
	}
	return append(buf, ']')
}

func appendList(buf []byte, items []json.RawMessage) []byte {
	buf = append(buf, '[')
	for i, item := range items {
		if i > 0 {
			buf = append(buf, ", "...)
		}
		buf = append(buf, item...)
	}
	return append(buf, ']')
}

func appendObject(buf []byte, members map[string]json.RawMessage) []byte {
	buf = append(buf, '{')
	for i, name := range slices.Sorted(maps.Keys(members)) {
		if i > 0 {
			buf = append(buf, ", "...)
		}
		buf = append(append(appendString(buf, name), ": "...), members[name]...)
	}
	return append(buf, '}')
}

func appendString(buf []byte, s string) []byte {
	raw, _ := json.Marshal(s) // a string always encodes
	return append(buf, raw...)
}

func quote(s string) json.RawMessage { return appendString(nil, s) }

func number(n int) json.RawMessage { return strconv.AppendInt(nil, int64(n), 10) }

package canvas

import (
	"encoding/json"
	"fmt"

	"taskbench/worker/message"
)

// Deepest bounds how many signatures may stand inside one another, so that hostile input cannot exhaust the stack.
const Deepest = 100

var errDeep = fmt.Errorf("%w: nested deeper than %d", ErrSignature, Deepest)

// Parse reads a signature as Celery writes it, and keeps what it does not know. Options are kept as they are and
// not looked at. An error is one of ErrSignature.
func Parse(raw json.RawMessage) (Signature, error) { return parse(raw, 0) }

// UnmarshalJSON is Parse for encoding/json, which knows no JSON but the standard's.
func (s *Signature) UnmarshalJSON(raw []byte) (err error) {
	*s, err = Parse(raw)
	return err
}

func parse(raw json.RawMessage, depth int) (Signature, error) {
	if depth >= Deepest {
		return Signature{}, errDeep
	}
	if len(raw) == 0 || string(raw) == "null" {
		return Signature{}, fmt.Errorf("%w: there is none", ErrSignature)
	}
	parts, err := message.Members(raw)
	if err != nil {
		return Signature{}, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	var s Signature
	if s.Task, _ = decodeString(parts["task"]); s.Task == "" {
		return Signature{}, fmt.Errorf("%w: it names no task", ErrSignature)
	}
	if err := s.fill(parts); err != nil {
		return Signature{}, fmt.Errorf("%w: of task %s: %w", ErrSignature, s.Task, err)
	}
	if err := s.compose(depth); err != nil {
		return Signature{}, err
	}
	return s, nil
}

// fill takes the members that signatures of all kinds have; the rest is Extra.
func (s *Signature) fill(parts map[string]json.RawMessage) (err error) {
	for name, raw := range parts {
		switch name {
		case "task":
		case "args":
			s.Args, err = decodeList(raw)
		case "kwargs":
			s.Kwargs, err = decodeObject(raw)
		case "options":
			s.Options, err = decodeObject(raw)
		case "subtask_type":
			kind, _ := decodeString(raw)
			s.Kind = Kind(kind)
		case "immutable":
			s.Immutable = string(raw) == "true"
		default:
			if s.Extra == nil {
				s.Extra = map[string]json.RawMessage{}
			}
			s.Extra[name] = raw
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// compose takes out of the keyword arguments what a composition is made of.
func (s *Signature) compose(depth int) (err error) {
	switch s.Kind {
	case KindChain, KindGroup:
		s.Tasks, err = parseAll(s.Kwargs["tasks"], depth+1)
		delete(s.Kwargs, "tasks")
	case KindChord:
		err = s.parseHeader(s.Kwargs["header"], depth+1)
		if err == nil && !none(s.Kwargs["body"]) {
			var body Signature
			body, err = parse(s.Kwargs["body"], depth+1)
			s.Body = &body
		}
		delete(s.Kwargs, "header")
		delete(s.Kwargs, "body")
	}
	return err
}

func (s *Signature) parseHeader(raw json.RawMessage, depth int) (err error) {
	if len(raw) == 0 || raw[0] != '{' {
		s.Tasks, err = parseAll(raw, depth)
		return err
	}
	header, err := parse(raw, depth)
	if err != nil {
		return err
	}
	if header.Kind != KindGroup {
		s.Tasks = []Signature{header}
		return nil
	}
	s.Tasks, header.Tasks = header.Tasks, nil
	s.header = &header
	return nil
}

func parseAll(raw json.RawMessage, depth int) ([]Signature, error) {
	if none(raw) {
		return nil, nil
	}
	items, err := message.Elements(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	tasks := make([]Signature, 0, len(items))
	for _, item := range items {
		t, err := parse(item, depth)
		if err != nil {
			return nil, err
		}
		tasks = append(tasks, t)
	}
	return tasks, nil
}

// decodeList and decodeObject make nil of null and of nothing.
func decodeList(raw json.RawMessage) ([]json.RawMessage, error) {
	if items, err := message.Elements(raw); len(items) > 0 || err != nil {
		return items, err
	}
	return nil, nil
}

func decodeObject(raw json.RawMessage) (map[string]json.RawMessage, error) {
	if members, err := message.Members(raw); len(members) > 0 || err != nil {
		return members, err
	}
	return nil, nil
}

func decodeString(raw json.RawMessage) (string, bool) {
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err == nil
}

func decodeFloat(raw json.RawMessage) (float64, bool) {
	var f float64
	if none(raw) || json.Unmarshal(raw, &f) != nil {
		return 0, false
	}
	return f, true
}

func decodeInt(raw json.RawMessage) (int, bool) {
	var n int
	if none(raw) || json.Unmarshal(raw, &n) != nil {
		return 0, false
	}
	return n, true
}

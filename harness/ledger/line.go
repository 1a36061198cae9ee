package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
)

// A line is one event as it comes over the socket.
type line struct {
	ID      string          `json:"id"`
	Kind    string          `json:"kind"`
	Attempt json.RawMessage `json:"attempt"`
	At      int64           `json:"at"`
	Outcome string          `json:"outcome"`
	PID     uint32          `json:"pid"`
	Node    string          `json:"node"`
	Sync    bool            `json:"sync"`
}

func (l *line) parse(raw []byte) error { return json.Unmarshal(raw, l) }

func (s *Sink) event(l *line) (Event, error) {
	e := Event{Task: Foreign, At: l.At, PID: l.PID}
	if seq, ok := s.run.Parse(l.ID); ok {
		e.Task = seq
	}
	kind, ok := value(kindNames[:], l.Kind)
	if !ok || kind == 0 {
		return e, fmt.Errorf("unknown kind %q: it is one of %s", l.Kind, strings.Join(kindNames[1:], ", "))
	}
	outcome, ok := value(outcomeNames[:], l.Outcome)
	if !ok {
		return e, fmt.Errorf("unknown outcome %q: it is one of %s", l.Outcome, strings.Join(outcomeNames[1:], ", "))
	}
	e.Kind, e.Outcome = Kind(kind), Outcome(outcome)
	if (e.Kind == Finished) != (e.Outcome != None) {
		return e, errors.New("an outcome belongs to kind finished, and to no other")
	}
	node := slices.Index(s.nodes, l.Node)
	if node < 0 {
		return e, fmt.Errorf("unknown node %q: it is one of %s", l.Node, strings.Join(s.nodes, ", "))
	}
	e.Node = uint16(node)
	if e.At == 0 {
		e.At = Now()
	}
	var err error
	e.Attempt, err = attemptID(l.Attempt)
	return e, err
}

// attemptID takes an integer as it is, and makes a number of any other name.
func attemptID(raw json.RawMessage) (uint64, error) {
	var name string
	if len(raw) > 0 && raw[0] == '"' {
		if err := json.Unmarshal(raw, &name); err != nil {
			return 0, err
		}
	} else {
		name = string(raw)
		if _, err := strconv.ParseUint(name, 10, 64); err != nil {
			return 0, errors.New("attempt must be a string, or an integer from 0 to 2^64-1")
		}
	}
	if name == "" {
		return 0, errors.New("attempt is missing: it names the attempt, and is unique in the run")
	}
	if n, err := strconv.ParseUint(name, 10, 64); err == nil {
		return n, nil
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return h.Sum64(), nil
}

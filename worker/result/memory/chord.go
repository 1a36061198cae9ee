package memory

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"time"

	"taskbench/worker/message"
	"taskbench/worker/result"
)

var errScheme = errors.New("the scheme is another")

// SaveGroup implements result.Groups.
func (s *Results) SaveGroup(ctx context.Context, id string, tuple json.RawMessage) error {
	if err := s.Usable(ctx); err != nil {
		return err
	}
	if err := message.Valid(tuple); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.groups[id] = kept[json.RawMessage]{tuple, s.until()}
	return nil
}

// Group implements result.Groups.
func (s *Results) Group(ctx context.Context, id string) (json.RawMessage, error) {
	if err := s.Usable(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if k, ok := s.groups[id]; ok && !k.over(time.Now()) {
		return k.value, nil
	}
	return nil, result.ErrNoGroup
}

// A chord is its parts so far. Its size may come after the first of them.
type chord struct {
	size  int // below 0: not known yet
	parts map[string]result.Part
	last  string // the task whose report made it whole
	until time.Time
}

func (s *Results) chord(group string) *chord {
	c := s.chords[group]
	if c == nil {
		c = &chord{size: -1, parts: map[string]result.Part{}}
		s.chords[group] = c
	}
	c.until = s.until()
	return c
}

// Expect implements result.Counter.
func (s *Results) Expect(ctx context.Context, group string, parts int) error {
	if err := s.Usable(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chord(group).size = parts
	return nil
}

// Report implements result.Counter.
func (s *Results) Report(ctx context.Context, p result.Part) ([]result.Part, error) {
	if err := s.Usable(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.chord(p.Group)
	old, again := c.parts[p.TaskID]
	if !again || old.State != result.Success {
		c.parts[p.TaskID] = p
	}
	if c.size < 0 || len(c.parts) < c.size {
		return nil, nil
	}
	if c.last == "" && !again {
		c.last = p.TaskID
	}
	if c.last != p.TaskID {
		return nil, nil
	}
	all := make([]result.Part, 0, len(c.parts))
	for _, p := range c.parts {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b result.Part) int { return place(a) - place(b) })
	return all, nil
}

// place is where a part stands: those without a place come last.
func place(p result.Part) int {
	if p.Index < 0 {
		return math.MaxInt32
	}
	return p.Index
}

// Done implements result.Counter.
func (s *Results) Done(ctx context.Context, group string) error {
	if err := s.Usable(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.chords, group)
	return nil
}

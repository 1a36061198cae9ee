package canvas

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"

	"taskbench/worker/result"
)

// A bug is a mistake that a result backend may make, planted to see it caught.
type bug string

const (
	countsTwice bug = "a part that is reported again counts again"
	neverClosed bug = "a chord is not forgotten when its body was sent"
	lostLast    bug = "the last part is not heard"
	earlyEnd    bug = "a chord is taken for whole when a part is missing"
	forgetful   bug = "stored successes are not found"
)

var errCrash = errors.New("the worker died")

// memory is a result backend in this process. Crash, when set, is asked before and after everything that has an
// effect: an error is the death of the worker at that point.
type memory struct {
	bug   bug
	crash func() error

	mu      sync.Mutex
	records map[string]result.Record
	stored  map[string]int // successes of each task: runs that came to their end
	size    map[string]int
	parts   map[string][]result.Part
	last    map[string]string
	groups  map[string]json.RawMessage
}

func newMemory() *memory {
	return &memory{
		records: map[string]result.Record{}, stored: map[string]int{}, size: map[string]int{}, parts: map[string][]result.Part{},
		last: map[string]string{}, groups: map[string]json.RawMessage{},
	}
}

func (m *memory) around(f func()) error {
	if m.crash != nil {
		if err := m.crash(); err != nil {
			return err
		}
	}
	m.mu.Lock()
	f()
	m.mu.Unlock()
	if m.crash != nil {
		return m.crash()
	}
	return nil
}

func (m *memory) Store(_ context.Context, r result.Record) error {
	return m.around(func() {
		if r.State == result.Success {
			m.stored[r.TaskID]++
		}
		if m.records[r.TaskID].State != result.Success {
			m.records[r.TaskID] = r
		}
	})
}

func (m *memory) Get(_ context.Context, id string) (result.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.records[id]
	if !ok || m.bug == forgetful {
		return result.Record{TaskID: id, State: result.Pending}, nil
	}
	return r, nil
}

// Wait does not: the tests ask only when all is done.
func (m *memory) Wait(_ context.Context, id string) (result.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.records[id]
	if !ok {
		return r, errors.New("it has no result")
	}
	return r, nil
}

func (m *memory) Forget(context.Context, ...string) error { return nil }
func (m *memory) Close() error                            { return nil }

func (m *memory) SaveGroup(_ context.Context, id string, tuple json.RawMessage) error {
	m.groups[id] = tuple
	return nil
}

func (m *memory) Group(_ context.Context, id string) (json.RawMessage, error) {
	if tuple, ok := m.groups[id]; ok {
		return tuple, nil
	}
	return nil, result.ErrNoGroup
}

func (m *memory) Expect(_ context.Context, group string, parts int) error {
	return m.around(func() { m.size[group] = parts })
}

func (m *memory) Report(_ context.Context, p result.Part) (parts []result.Part, err error) {
	err = m.around(func() { parts = m.count(p) })
	if err != nil {
		return nil, err
	}
	return parts, nil
}

func (m *memory) count(p result.Part) []result.Part {
	have := m.parts[p.Group]
	same := func(q result.Part) bool { return q.TaskID == p.TaskID }
	size := m.size[p.Group]
	if m.bug == lostLast && len(have) == size-1 {
		return nil
	}
	if !slices.ContainsFunc(have, same) || m.bug == countsTwice {
		have = append(have, p)
		m.parts[p.Group] = have
		if len(have) == size {
			m.last[p.Group] = p.TaskID
		}
	}
	if m.bug == earlyEnd && size > 1 && len(have) == size-1 {
		m.last[p.Group] = p.TaskID
		return slices.Clone(have)
	}
	if size == 0 || len(have) < size || m.last[p.Group] != p.TaskID {
		return nil
	}
	have = slices.Clone(have)
	slices.SortStableFunc(have, func(a, b result.Part) int { return cmp.Compare(a.Index, b.Index) })
	return have
}

func (m *memory) Done(_ context.Context, group string) error {
	return m.around(func() {
		if m.bug != neverClosed {
			delete(m.size, group)
			delete(m.parts, group)
			delete(m.last, group)
		}
	})
}

// plainResults hides that results can count, as those of a database cannot.
type plainResults struct{ result.Backend }

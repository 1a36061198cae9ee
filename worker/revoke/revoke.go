// Package revoke remembers which tasks are not to be run: by id, or by a header that they were stamped with. The
// set is bounded, and outlives its process in a file.
package revoke

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// The bounds of a set, as Celery has them: so many are remembered, each for so long.
const (
	Most = 50_000
	Keep = 3 * time.Hour
)

// A Set holds what is revoked. It is safe for concurrent use; looking something up in an empty one costs next to
// nothing. Where it is full, what was revoked first is forgotten.
type Set struct {
	some   atomic.Bool // there is anything in it
	path   string
	saving sync.Mutex // taken before mu: whoever asks does not wait for the disk
	mu     sync.Mutex
	until  map[string]time.Time // by id
	queue  []string             // of ids, those that were revoked first at the front; may hold ids that are gone
	stamps map[stamp]time.Time
}

type stamp struct{ header, value string }

// New makes an empty set that is not kept in any file.
func New() *Set {
	return &Set{until: map[string]time.Time{}, stamps: map[stamp]time.Time{}}
}

// Add revokes ids. An error means that they are revoked here and now, and may not be after a restart.
func (s *Set) Add(ids ...string) error {
	s.mu.Lock()
	end := time.Now().Add(Keep)
	for _, id := range ids {
		s.put(id, end)
	}
	s.prune()
	s.mu.Unlock()
	return s.save()
}

// put is Add of one; s.mu is held.
func (s *Set) put(id string, end time.Time) {
	if id == "" {
		return
	}
	if _, known := s.until[id]; !known {
		s.queue = append(s.queue, id)
	}
	s.until[id] = end
	s.some.Store(true)
}

// AddStamps revokes all tasks that are stamped with one of the values under the header's name. Errors are as with Add.
func (s *Set) AddStamps(headers map[string][]string) error {
	s.mu.Lock()
	for name, values := range headers {
		for _, v := range values {
			s.stamps[stamp{name, v}] = time.Now().Add(Keep)
			s.some.Store(true)
		}
	}
	s.prune()
	s.mu.Unlock()
	return s.save()
}

// prune forgets what is over, and what is too much; s.mu is held.
func (s *Set) prune() {
	now := time.Now()
	for len(s.queue) > 0 {
		end, known := s.until[s.queue[0]]
		if known && len(s.until) <= Most && now.Before(end) {
			break
		}
		delete(s.until, s.queue[0])
		s.queue = s.queue[1:]
	}
	maps.DeleteFunc(s.stamps, func(_ stamp, end time.Time) bool { return !now.Before(end) })
	for k := range s.stamps {
		if len(s.stamps) <= Most {
			break
		}
		delete(s.stamps, k)
	}
}

// Has tells whether an id is revoked.
func (s *Set) Has(id string) bool {
	if !s.some.Load() {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	end, known := s.until[id]
	return known && time.Now().Before(end)
}

// HasStamp tells whether one of a task's stamps is revoked. The headers are those of its message: stamped_headers
// names those of them that count, or of those in stamps; each holds a value or a list of values.
func (s *Set) HasStamp(headers map[string]any) bool {
	if !s.some.Load() {
		return false
	}
	names, _ := headers["stamped_headers"].([]any)
	if len(names) == 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stamps, _ := headers["stamps"].(map[string]any)
	for _, n := range names {
		name, _ := n.(string)
		v, ok := stamps[name]
		if !ok {
			v = headers[name]
		}
		values, many := v.([]any)
		if !many {
			values = []any{v}
		}
		for _, v := range values {
			if end, known := s.stamps[stamp{name, fmt.Sprint(v)}]; known && time.Now().Before(end) {
				return true
			}
		}
	}
	return false
}

// IDs lists what is revoked by id, in order.
func (s *Set) IDs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prune()
	return slices.Sorted(maps.Keys(s.until))
}

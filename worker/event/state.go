package event

import (
	"container/list"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Task's states, as Celery's monitors name them. Received and Rejected are known from events alone; a task of
// an event type that is not Celery's own has that type's name, in capitals, for its state.
const (
	Pending  = "PENDING"
	Received = "RECEIVED"
	Started  = "STARTED"
	Success  = "SUCCESS"
	Failure  = "FAILURE"
	Retry    = "RETRY"
	Revoked  = "REVOKED"
	Rejected = "REJECTED"
)

// A TaskView is what events have told of a task.
type TaskView struct {
	Task
	State     string
	Worker    string // the node that told last; of a task that nobody took, the client
	Client    string // who sent it
	Queue     string // known if its client sends events
	Result    string // as Python's repr
	Exception string // likewise
	Traceback string
	Runtime   time.Duration        // of the attempt that succeeded
	Clock     int64                // of the last event
	Changed   time.Time            // when it came to its state
	Times     map[string]time.Time // when each state was told, by the clock of its teller
}

// A WorkerView is what events have told of a worker.
type WorkerView struct {
	Status
	Hostname string
	PID      int
	System   string
	Interval time.Duration // between heartbeats
	Seen     time.Time     // when its last worker event was received; zero once it has said that it goes offline
	Clock    int64
}

// Alive tells whether the last heartbeat is less than two intervals old.
func (w WorkerView) Alive(now time.Time) bool {
	return !w.Seen.IsZero() && now.Before(w.Seen.Add(2*w.Interval))
}

// A State is the picture of a cluster that its events make. It holds the tasks and workers that were told of last, and
// forgets others. Its methods are safe for concurrent use.
type State struct {
	mu      sync.Mutex
	tasks   shelf[*TaskView]
	workers shelf[*WorkerView]
}

// NewState returns an empty state that holds at most so many tasks and workers; 0 stands for Celery's bounds, 10,000
// and 5,000.
func NewState(tasks, workers int) *State {
	if tasks <= 0 {
		tasks = 10_000
	}
	if workers <= 0 {
		workers = 5_000
	}
	return &State{tasks: newShelf[*TaskView](tasks), workers: newShelf[*WorkerView](workers)}
}

// Apply adds an event. It returns false for one that says nothing of a task or worker, or not of which.
func (s *State) Apply(e Event) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e.Group() {
	case "worker":
		return s.worker(e)
	case "task":
		if e.UUID == "" || e.Hostname == "" {
			return false
		}
		if e.Type != "task-sent" { // whoever tells of tasks is there, though it may send no heartbeats
			s.see(e)
		}
		s.task(e)
		return true
	}
	return false
}

// Task returns what is known of a task.
func (s *State) Task(id string) (TaskView, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.tasks.get(id)
	if !ok {
		return TaskView{}, false
	}
	return t.copy(), true
}

// Tasks returns all tasks, those told of last at the end.
func (s *State) Tasks() []TaskView {
	s.mu.Lock()
	defer s.mu.Unlock()
	views := make([]TaskView, 0, s.tasks.order.Len())
	for t := range s.tasks.all {
		views = append(views, t.copy())
	}
	return views
}

// Workers returns all workers by name.
func (s *State) Workers() []WorkerView {
	s.mu.Lock()
	defer s.mu.Unlock()
	var views []WorkerView
	for w := range s.workers.all {
		views = append(views, *w)
	}
	slices.SortFunc(views, func(a, b WorkerView) int { return strings.Compare(a.Hostname, b.Hostname) })
	return views
}

// A shelf holds a bounded number of things and drops the one that was not touched for longest.
type shelf[T any] struct {
	most  int
	order *list.List // of slot[T]; the one touched last is at the back
	byKey map[string]*list.Element
}

type slot[T any] struct {
	key string
	is  T
}

func newShelf[T any](most int) shelf[T] {
	return shelf[T]{most: most, order: list.New(), byKey: map[string]*list.Element{}}
}

func (s *shelf[T]) get(key string) (is T, ok bool) {
	e, ok := s.byKey[key]
	if !ok {
		return is, false
	}
	return e.Value.(slot[T]).is, true
}

// touch returns what is there under the key, or puts there what make returns.
func (s *shelf[T]) touch(key string, make func() T) T {
	if e, ok := s.byKey[key]; ok {
		s.order.MoveToBack(e)
		return e.Value.(slot[T]).is
	}
	if s.order.Len() >= s.most {
		oldest := s.order.Front()
		delete(s.byKey, oldest.Value.(slot[T]).key)
		s.order.Remove(oldest)
	}
	is := make()
	s.byKey[key] = s.order.PushBack(slot[T]{key, is})
	return is
}

func (s *shelf[T]) all(yield func(T) bool) {
	for e := s.order.Front(); e != nil; e = e.Next() {
		if !yield(e.Value.(slot[T]).is) {
			return
		}
	}
}

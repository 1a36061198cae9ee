package beat

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"taskbench/brokers"
	"taskbench/worker/message"
)

// A firing is one message that the broker has taken.
type firing struct {
	Entry     string
	ID        string
	Scheduled time.Time
	At        time.Time
}

// A fakeBroker keeps what is published, and fails as it is told.
type fakeBroker struct {
	mu    sync.Mutex
	fired []firing
	fail  func(n int) (stored bool, err error) // of the nth publish
	n     int
	opens int
}

var errDown = errors.New("the broker is down")

func (b *fakeBroker) open(context.Context) (brokers.Broker, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.opens++
	return b, nil
}

func (b *fakeBroker) Publish(_ context.Context, m brokers.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.n++
	stored, err := true, error(nil)
	if b.fail != nil {
		stored, err = b.fail(b.n)
	}
	if stored {
		at, perr := message.ParseTime(m.Headers[ScheduledHeader].(string), time.UTC)
		if perr != nil {
			panic(perr)
		}
		b.fired = append(b.fired, firing{m.Headers[NameHeader].(string), m.CorrelationID, at, time.Now()})
	}
	return err
}

func (b *fakeBroker) Consume(context.Context, []string, int) (brokers.Consumer, error) {
	return nil, errors.New("beat does not consume")
}
func (b *fakeBroker) Close() error { return nil }

// all returns what was fired so far.
func (b *fakeBroker) all() []firing {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.fired)
}

// clocks returns the scheduled times as minutes and seconds, and the entry's name before each where there are several.
func clocks(fs []firing) []string {
	var out []string
	for _, f := range fs {
		out = append(out, f.Entry+f.Scheduled.UTC().Format(" 04:05"))
	}
	return out
}

// A fakeStore keeps a schedule and its marks in memory, over the lives of several beats.
type fakeStore struct {
	mu      sync.Mutex
	entries []Entry
	loaded  bool
	changed bool
	marks   map[string]Mark
	fail    error // of Write
	writes  int
}

// again is the store as another process opens it.
func (s *fakeStore) again() *fakeStore {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loaded = false
	return s
}

func newStore(entries ...Entry) *fakeStore {
	return &fakeStore{entries: entries, marks: map[string]Mark{}}
}

func (s *fakeStore) set(entries ...Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries, s.changed = entries, true
}

func (s *fakeStore) Load(context.Context) ([]Entry, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loaded && !s.changed {
		return nil, false, nil
	}
	s.loaded, s.changed = true, false
	return slices.Clone(s.entries), true, nil
}

func (s *fakeStore) Recall(context.Context) ([]Mark, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return list(s.marks), nil
}

func list(marks map[string]Mark) []Mark {
	var all []Mark
	for _, m := range marks {
		all = append(all, m)
	}
	return all
}

func (s *fakeStore) Write(_ context.Context, marks []Mark) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	if s.fail != nil {
		return s.fail
	}
	put(s.marks, marks)
	return nil
}

func put(into map[string]Mark, marks []Mark) {
	for _, m := range marks {
		if m.Forgotten() {
			delete(into, m.Name)
		} else {
			into[m.Name] = m
		}
	}
}

func (s *fakeStore) mark(name string) Mark {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.marks[name]
}

// A fakeServer is what a lock's server keeps.
type fakeServer struct {
	mu     sync.Mutex
	holder *fakeLock
	until  time.Time
	tenure int64
	marks  map[string]Mark
}

// A fakeLock is one beat's access to the server. The delay is where a test stops the whole process.
type fakeLock struct {
	server *fakeServer
	name   string
	delay  func(ctx context.Context, what string) error
}

func (l *fakeLock) wait(ctx context.Context, what string) error {
	if l.delay == nil {
		return nil
	}
	return l.delay(ctx, what)
}

func (l *fakeLock) Acquire(ctx context.Context, lease time.Duration) (int64, error) {
	if err := l.wait(ctx, "acquire"); err != nil {
		return 0, err
	}
	s := l.server
	s.mu.Lock()
	defer s.mu.Unlock()
	held := s.holder != nil && time.Now().Before(s.until)
	if held && s.holder != l {
		return 0, HeldError{s.holder.name}
	}
	if !held {
		s.tenure++
	}
	s.holder, s.until = l, time.Now().Add(lease)
	return s.tenure, nil
}

func (l *fakeLock) Release(context.Context) error {
	s := l.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holder == l {
		s.holder = nil
	}
	return nil
}

func (l *fakeLock) Recall(context.Context) ([]Mark, error) {
	l.server.mu.Lock()
	defer l.server.mu.Unlock()
	return list(l.server.marks), nil
}

func (l *fakeLock) Write(ctx context.Context, tenure int64, marks []Mark) error {
	if err := l.wait(ctx, "write"); err != nil {
		return err
	}
	s := l.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holder != l || !time.Now().Before(s.until) || s.tenure != tenure {
		return ErrLost
	}
	put(s.marks, marks)
	return nil
}

// A fakeClock is a wall clock that can be set, beside one that cannot.
type fakeClock struct {
	mu     sync.Mutex
	began  time.Time
	offset time.Duration
}

func newClock() *fakeClock { return &fakeClock{began: time.Now()} }

func (c *fakeClock) now() (time.Time, time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	return now.Round(0).Add(c.offset), now.Sub(c.began)
}

func (c *fakeClock) put(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += by
}

// life runs a beat in a bubble until the function that it returns is called.
func life(t *testing.T, c Config) (r *Runner, stop func()) {
	t.Helper()
	if c.Log == nil {
		c.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	if s, ok := c.Store.(*fakeStore); ok {
		c.Store = s.again()
	}
	r, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	return r, func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// pass lets a bubble's time go by.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// once fails the test where two firings are the same tick.
func once(t *testing.T, fs []firing) {
	t.Helper()
	seen := map[string]firing{}
	for _, f := range fs {
		key := fmt.Sprint(f.Entry, f.Scheduled.UnixNano())
		if before, twice := seen[key]; twice {
			t.Errorf("%s of %s was fired at %s and again at %s", f.Entry, f.Scheduled, before.At, f.At)
		}
		seen[key] = f
	}
}

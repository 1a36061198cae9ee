// Package memory keeps results in this process, for tests and for workers that run inside the program that waits
// for them.
package memory

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"sync"
	"time"

	"taskbench/brokers"
	"taskbench/worker/result"
	"taskbench/worker/result/board"
)

// Results are records in memory, as one connection sees them. They implement result.Backend, Groups, Counter,
// Claimer and Cleaner.
type Results struct {
	*store
	life    time.Duration
	closing sync.Once
	closed  chan struct{}
}

// A store is what connections share.
type store struct {
	board board.Board

	mu      sync.Mutex
	records map[string]kept[result.Record]
	groups  map[string]kept[json.RawMessage]
	chords  map[string]*chord
	claims  map[string]kept[string] // holders
	sweep   int                     // how many more may come before the next sweep
}

type kept[T any] struct {
	value T
	until time.Time // zero: for ever
}

func (k kept[T]) over(now time.Time) bool { return !k.until.IsZero() && now.After(k.until) }

// New makes an empty store.
func New(o result.Options) *Results {
	s := &store{
		sweep:   sweepEvery,
		records: map[string]kept[result.Record]{}, groups: map[string]kept[json.RawMessage]{}, chords: map[string]*chord{},
		claims: map[string]kept[string]{},
	}
	return s.connect(o)
}

func (s *store) connect(o result.Options) *Results {
	return &Results{store: s, life: o.Lifetime(), closed: make(chan struct{})}
}

// Connect makes another connection to the same results, with options and an end of its own.
func (s *Results) Connect(o result.Options) *Results { return s.connect(o) }

// sweepEvery bounds what is past its time and still held: a sweep costs as much as what is held.
const sweepEvery = 10_000

var shared struct {
	sync.Mutex
	stores map[string]*store
}

// Open makes a store for memory://, or connects to the one of this process that memory://NAME names, which lives as
// long as the process.
func Open(_ context.Context, rawURL string, o result.Options) (*Results, error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != "memory" {
		return nil, fmt.Errorf("read memory URL: %w", brokers.RefuseURL(rawURL, "memory:// or memory://NAME", errScheme))
	}
	if u.Host == "" {
		return New(o), nil
	}
	shared.Lock()
	defer shared.Unlock()
	if shared.stores == nil {
		shared.stores = map[string]*store{}
	}
	if shared.stores[u.Host] == nil {
		shared.stores[u.Host] = New(o).store
	}
	return shared.stores[u.Host].connect(o), nil
}

// Usable is nil, result.ErrClosed, or the error of a context that has ended.
func (s *Results) Usable(ctx context.Context) error {
	select {
	case <-s.closed:
		return result.ErrClosed
	default:
		return ctx.Err()
	}
}

// until is when what is stored now has had its time.
func (s *Results) until() time.Time {
	if s.life == 0 {
		return time.Time{}
	}
	return time.Now().Add(s.life)
}

// Store implements result.Backend. The record is kept as it is: its parts must not be changed any more.
func (s *Results) Store(ctx context.Context, r result.Record) error {
	if err := s.Usable(ctx); err != nil {
		return err
	}
	if _, err := result.Encode(r); err != nil { // what no other backend takes, this one does not either
		return err
	}
	if r.State.Ready() && r.Done.IsZero() {
		r.Done = time.Now().UTC()
	}
	s.put(r)
	return nil
}

func (s *Results) put(r result.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.records[r.TaskID]; ok && old.value.State == result.Success && !old.over(time.Now()) {
		return
	}
	s.records[r.TaskID] = kept[result.Record]{r, s.until()}
	if s.sweep--; s.sweep <= 0 {
		s.clean(time.Now())
	}
	s.board.Wake(r.TaskID)
}

// Get implements result.Backend.
func (s *Results) Get(ctx context.Context, id string) (result.Record, error) {
	if err := s.Usable(ctx); err != nil {
		return result.Record{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if k, ok := s.records[id]; ok && !k.over(time.Now()) {
		return k.value, nil
	}
	return result.Record{TaskID: id, State: result.Pending}, nil
}

// Wait implements result.Backend.
func (s *Results) Wait(ctx context.Context, id string) (result.Record, error) {
	news, leave := s.board.Join(id)
	defer leave()
	look := func(ctx context.Context) (result.Record, error) { return s.Get(ctx, id) }
	return result.Await(ctx, look, news, s.closed)
}

// Forget implements result.Backend.
func (s *Results) Forget(ctx context.Context, ids ...string) error {
	if err := s.Usable(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		delete(s.records, id)
	}
	return nil
}

// Cleanup implements result.Cleaner. It also happens by itself, every ten thousand stores.
func (s *Results) Cleanup(ctx context.Context) error {
	if err := s.Usable(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clean(time.Now())
	return nil
}

func (s *store) clean(now time.Time) {
	s.sweep = max(sweepEvery, len(s.records))
	drop(s.records, now)
	drop(s.groups, now)
	drop(s.claims, now)
	for id, c := range s.chords {
		if !c.until.IsZero() && now.After(c.until) {
			delete(s.chords, id)
		}
	}
}

func drop[T any](m map[string]kept[T], now time.Time) {
	for id, k := range m {
		if k.over(now) {
			delete(m, id)
		}
	}
}

// Close implements result.Backend. Whoever waits gets result.ErrClosed.
func (s *Results) Close() error {
	s.closing.Do(func() { close(s.closed) })
	return nil
}

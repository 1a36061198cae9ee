package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"taskbench/worker/canvas"
	"taskbench/worker/result"
	resultmemory "taskbench/worker/result/memory"
)

// moody is a backend in this process that can be down, and that notes what it was told, in order.
type moody struct {
	*resultmemory.Results
	mu     sync.Mutex
	down   bool
	most   int // bytes of a document; 0 is no bound
	states map[string][]result.State
	told   func(result.Record)
}

func newMoody() *moody {
	return &moody{Results: resultmemory.New(result.Options{}), states: map[string][]result.State{}}
}

var errDown = errors.New("the backend is down")

func (m *moody) Store(ctx context.Context, r result.Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down {
		return errDown
	}
	if m.most > 0 {
		if _, err := result.EncodeWithin(r, m.most); err != nil {
			return err
		}
	}
	m.states[r.TaskID] = append(m.states[r.TaskID], r.State)
	if m.told != nil {
		m.told(r)
	}
	return m.Results.Store(ctx, r)
}

func (m *moody) Claim(ctx context.Context, id, holder string, life time.Duration) (time.Duration, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down {
		return 0, errDown
	}
	return m.Results.Claim(ctx, id, holder, life)
}

func (m *moody) set(down bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down = down
}

func (m *moody) setMost(bytes int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.most = bytes
}

func (m *moody) record(t testing.TB, id string) result.Record {
	t.Helper()
	r, err := m.Get(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// beginWith starts a worker with a backend and tasks of the test's own beside those of all tests.
func beginWith(t testing.TB, s *fakeServer, c Config, o Options) startedWorker {
	t.Helper()
	if o.Registry == nil {
		o.Registry = testRegistry()
	}
	o.Driver = s.driver()
	if o.Log == nil {
		o.Log = testLog(t)
	}
	w, err := New(c, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	var once sync.Once
	stop := func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("run: %v", err)
			}
		})
	}
	t.Cleanup(stop)
	return startedWorker{w, stop}
}

func ownTasks() *Registry {
	r := testRegistry()
	r.Add("add", func(_ context.Context, r *Request) (any, error) {
		sum := 0.0
		for i := range r.Args {
			var n float64
			if err := r.Arg(i, &n); err != nil {
				return nil, err
			}
			sum += n
		}
		return sum, nil
	})
	r.Add("total", func(_ context.Context, r *Request) (any, error) {
		var all []float64
		sum := 0.0
		err := r.Arg(0, &all)
		for _, n := range all {
			sum += n
		}
		return sum, err
	})
	r.Add("ignore", func(context.Context, *Request) (any, error) { return nil, ErrIgnore })
	r.Add("refuse", func(_ context.Context, r *Request) (any, error) {
		var requeue bool
		err := r.Arg(0, &requeue)
		if err != nil || requeue && r.Redelivered {
			return nil, err
		}
		return nil, fmt.Errorf("wrapped: %w", ErrReject{Requeue: requeue, Reason: "as asked"})
	})
	r.Add("tracked", func(context.Context, *Request) (any, error) { return "x", nil }, TrackStarted(true))
	r.Add("secret", func(context.Context, *Request) (any, error) { return "x", nil }, IgnoreResult(true))
	r.Add("spawn", func(ctx context.Context, r *Request) (any, error) {
		return r.Apply(ctx, canvas.Chord([]canvas.Signature{canvas.Sig("add", 1, 2), canvas.Sig("add", 3, 4)}, canvas.Sig("total")))
	})
	r.Add("replaced", func(_ context.Context, r *Request) (any, error) { return nil, r.Replace(canvas.Sig("add", 20, 22)) })
	return r
}

func text(x *result.Exception) string {
	if x == nil {
		return ""
	}
	return x.Error()
}

package worker

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"taskbench/brokers"
	"taskbench/worker/canvas"
	"taskbench/worker/event"
	"taskbench/worker/logging"
	"taskbench/worker/pool"
	"taskbench/worker/revoke"
	"taskbench/worker/route"
)

// A Worker takes messages from a broker and runs the tasks that they name.
type Worker struct {
	config   Config
	options  Options
	variant  brokers.Variant
	observer Observer
	log      *slog.Logger
	memory   *memory
	tasks    map[string]*taskState // by name; the map does not change
	routes   *route.Table
	revoked  *revoke.Set
	follower *canvas.Follower
	events   *event.Sender
	clock    *event.Clock
	jitter   *mathrand.Rand // of Run's goroutine
	counters counters
	watch    watch
	pid      int
	began    time.Time
	// inProcess says that asking the pool to tell of starts costs nothing.
	inProcess bool

	ran      atomic.Bool
	stopping atomic.Bool
	gaveUp   atomic.Bool // the grace of a stop is over
	stopped  bool        // warmly, on a live connection; of Run's goroutine
	pool     atomic.Pointer[pool.Pool]
	current  atomic.Pointer[session] // nil while there is no connection
	lanes    sync.WaitGroup          // everything that has a delivery in hand
	stops    stops
	givenUp  chan struct{} // closed with gaveUp
	prefetch atomic.Int64  // without what waits for its time

	mu     sync.Mutex
	queues []string
	bounds Autoscale
}

// New checks everything that can be checked without a broker, and reports all that is wrong at once.
func New(c Config, o Options) (*Worker, error) {
	c = c.Complete()
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if err := errors.Join(c.Validate(), o.validate(c)); err != nil {
		return nil, err
	}
	variant, err := o.Driver.Variant(c.Variant)
	if err != nil {
		return nil, err
	}
	w := &Worker{
		config: c, options: o, variant: variant, observer: o.Observer, log: logging.For(o.Log, "worker"),
		memory: newMemory(variant, c.Prefetch), clock: new(event.Clock),
		pid: os.Getpid(), began: time.Now(), inProcess: !slices.Contains([]string{"prefork", "green"}, c.Pool),
		givenUp: make(chan struct{}), queues: slices.Clone(c.Queues), bounds: c.Autoscale,
	}
	w.follower = &canvas.Follower{Publisher: w, Results: o.Results, Log: logging.For(o.Log, "canvas")}
	w.tasks = states(o.Registry, c, canvas.Builtins(w.follower))
	w.stops.init()
	w.watch.turn.Touch()
	w.prefetch.Store(int64(c.Prefetch))
	if w.routes, err = route.New(c.Routes, c.Values); err != nil {
		return nil, err // not reached: it was validated
	}
	if w.observer == nil {
		w.observer = blind{}
	}
	if err := w.openRevoked(); err != nil {
		return nil, err
	}
	w.events = w.newSender()
	seed := fnv.New64a()
	_, _ = seed.Write([]byte(c.Name)) // workers of other names come back at other moments
	w.jitter = mathrand.New(mathrand.NewPCG(seed.Sum64(), 0))
	var instance [4]byte
	_, _ = rand.Read(instance[:]) // never fails
	w.counters.attempts.Store(uint64(binary.BigEndian.Uint32(instance[:])) << 32)
	return w, nil
}

// Run works until ctx ends, which stops it warmly, or until Stop is called. A stop is no error.
//
// Whatever becomes of the broker, Run reconnects for as long as ctx lasts; an error means that the pool could not
// be started, that Run was called before, or that the broker's URL is a mistake: then it is brokers.ErrURL.
func (w *Worker) Run(ctx context.Context) error {
	if !w.ran.CompareAndSwap(false, true) {
		return fmt.Errorf("run worker %s: it has run before: make a new one", w.config.Name)
	}
	p, err := pool.New(ctx, w.config.Pool, pool.Settings{
		Size: w.config.Concurrency, MaxTasks: w.config.MaxTasks, MaxMemory: w.config.MaxMemory, Log: w.options.Log, Capture: w.config.Capture,
	}, runner{registry: w.options.Registry, observer: w.observer, clock: w.options.Clock}.run)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("run worker %s: %w", w.config.Name, err)
	}
	defer p.Close()
	w.pool.Store(&p)
	ctx, halt := context.WithCancel(ctx)
	defer halt()
	go func() {
		select {
		case <-w.stops.warm:
			halt()
		case <-ctx.Done():
		}
	}()

	if w.scaled() {
		go w.autoscale(ctx)
	}
	failures := 0
	var mistake error
	for ctx.Err() == nil {
		w.watch.turn.Touch()
		lasted, err := w.session(ctx)
		if ctx.Err() != nil {
			break
		}
		if errors.Is(err, brokers.ErrURL) {
			mistake = fmt.Errorf("run worker %s: %w", w.config.Name, err)
			break
		}
		w.counters.reconnects.Add(1)
		if lasted > steady {
			failures = 0
		}
		wait := w.backoff(failures)
		failures++
		w.log.Warn("no connection to the broker: it is tried again; if that goes on, see that the server runs and the url is right", "worker", w.config.Name, "err", err, "again_in", wait)
		pause(ctx, wait)
	}
	if !w.stopped {
		w.stop(context.Background()) // what began on connections that were lost since
	}
	return mistake
}

// openRevoked reads what was revoked before the worker was started.
func (w *Worker) openRevoked() error {
	if w.config.StateDB == "" {
		w.revoked = revoke.New()
		return nil
	}
	set, aside, err := revoke.Open(w.config.StateDB)
	if err != nil {
		return fmt.Errorf("worker config: worker_state_db: %w", err)
	}
	if aside != "" {
		w.log.Warn("the file of revoked tasks was corrupt: it begins anew", "worker", w.config.Name, "file", w.config.StateDB, "kept_as", aside)
	}
	w.revoked = set
	return nil
}

// How reconnecting is paced. A connection that lasted less than steady did not end a row of failures.
const (
	firstBackoff = 50 * time.Millisecond
	lastBackoff  = 2 * time.Second
	steady       = 5 * time.Second
)

// backoff is how long to wait after so many failures in a row: twice as long each time, and anything from half of it
// to all of it, so that workers that lost the same broker do not come back in step.
func (w *Worker) backoff(failures int) time.Duration {
	d := min(firstBackoff<<min(failures, 16), lastBackoff)
	return d/2 + time.Duration(w.jitter.Int64N(int64(d/2)+1))
}

package event

import (
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options say who sends. Only Hostname is needed.
type Options struct {
	Hostname string        // the node's name, "w1@host"
	Clock    *Clock        // nil is a clock of its own
	Status   func() Status // asked at each worker event; nil: this sender is a client, and sends none
	Interval time.Duration // from heartbeat to heartbeat; 0 is DefaultInterval, below 0 sends none
	Buffer   int           // how many events are kept while they cannot be published; 0 is DefaultBuffer
	Log      *slog.Logger  // nil is slog.Default
}

// The defaults: Celery's interval, and a buffer that holds some seconds of a busy worker in a few megabytes.
const (
	DefaultInterval = 2 * time.Second
	DefaultBuffer   = 10_000
)

// A Status is what a worker tells of itself in its online, heartbeat and offline events.
type Status struct {
	Active    int    // running tasks
	Processed uint64 // tasks accepted since the start
	Software  string // "" is "taskbench"
	Version   string
	Load      [3]float64 // load averages over 1, 5 and 15 minutes; see LoadAverage
}

// A Field is one entry of an event beyond those that all events have.
type Field struct {
	Name  string
	Value any // what encoding/json takes; a json.RawMessage is written as it is
}

// A Sender sends one node's events. Its methods are safe for concurrent use, return at once, and work whether Run
// is publishing or not: what cannot be published yet is kept, up to a bound, and then the oldest is dropped.
type Sender struct {
	options Options
	prefix  string // what every event of this sender begins with
	enabled atomic.Bool
	dropped atomic.Uint64
	stopped atomic.Bool // the worker has said that it is offline

	mu      sync.Mutex
	queue   []item // events from oldest on, in a ring that grows to the bound
	first   int
	count   int
	bytes   int
	out     int           // events that were taken and are being published
	wake    chan struct{} // has a value when there may be something new to publish
	flushed chan struct{} // closed when the queue is empty and nothing is being published; nil: nobody waits
}

// An item is one encoded event.
type item struct {
	key  string
	body []byte
}

// NewSender returns a sender that does not send task events until Enable.
func NewSender(o Options) *Sender {
	if o.Clock == nil {
		o.Clock = new(Clock)
	}
	if o.Interval == 0 {
		o.Interval = DefaultInterval
	}
	if o.Buffer <= 0 {
		o.Buffer = DefaultBuffer
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return &Sender{
		options: o,
		prefix:  prefix(o.Hostname, os.Getpid()),
		wake:    make(chan struct{}, 1),
	}
}

// Enable starts the sending of task events. It returns false when it had been started already.
func (s *Sender) Enable() bool { return s.enabled.CompareAndSwap(false, true) }

// Disable stops the sending of task events. It returns false when there was none.
func (s *Sender) Disable() bool { return s.enabled.CompareAndSwap(true, false) }

// Enabled tells whether task events are sent. Whoever must work for the fields of one asks first.
func (s *Sender) Enabled() bool { return s.enabled.Load() }

// Dropped is how many events were lost to the bound on what is kept.
func (s *Sender) Dropped() uint64 { return s.dropped.Load() }

// Send sends an event of any type: "worker-heartbeat", or one of an application's own. Types that begin with
// "task-" are sent only while task events are enabled. A value that JSON cannot hold is sent as text.
func (s *Sender) Send(kind string, fields ...Field) {
	if strings.HasPrefix(kind, "task-") && !s.enabled.Load() {
		return
	}
	e := s.begin()
	for _, f := range fields {
		e.name(f.Name)
		e.value(f.Value)
	}
	s.end(e, kind, strings.ReplaceAll(kind, "-", "."))
}

// Heartbeat sends a heartbeat out of turn, as remote control asks for when a monitor is started.
func (s *Sender) Heartbeat() { s.worker("worker-heartbeat", "worker.heartbeat") }

// worker sends a worker event unless the worker has said its last.
func (s *Sender) worker(kind, key string) {
	if !s.stopped.Load() {
		s.tell(kind, key)
	}
}

func (s *Sender) tell(kind, key string) {
	if s.options.Status == nil {
		return
	}
	st := s.options.Status()
	if st.Software == "" {
		st.Software = "taskbench"
	}
	e := s.begin()
	e.float("freq", s.options.Interval.Seconds())
	e.integer("active", int64(st.Active))
	e.integer("processed", int64(st.Processed))
	e.floats("loadavg", st.Load[:])
	e.text("sw_ident", st.Software)
	e.text("sw_ver", st.Version)
	e.text("sw_sys", system)
	s.end(e, kind, key)
}

// put queues an event. It is called with the lock held, so that clock and queue are in the same order.
func (s *Sender) put(it item) {
	s.push(it)
	for s.count > s.options.Buffer || s.bytes > maxBytes {
		s.pop()
		s.dropped.Add(1)
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// maxBytes bounds what is kept whatever the number of events: tracebacks may be long.
const maxBytes = 16 << 20

func (s *Sender) push(it item) {
	if s.count == len(s.queue) {
		grown := make([]item, max(64, 2*len(s.queue)))
		for i := range s.count {
			grown[i] = s.queue[(s.first+i)%len(s.queue)]
		}
		s.queue, s.first = grown, 0
	}
	s.queue[(s.first+s.count)%len(s.queue)] = it
	s.count++
	s.bytes += len(it.body)
}

func (s *Sender) pop() item {
	it := s.queue[s.first]
	s.queue[s.first] = item{}
	s.first = (s.first + 1) % len(s.queue)
	s.count--
	s.bytes -= len(it.body)
	return it
}

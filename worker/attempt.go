package worker

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"taskbench/brokers"
	"taskbench/worker/canvas"
	"taskbench/worker/message"
	"taskbench/worker/pool"
	"taskbench/worker/result"
)

// deathsHeader counts the starts of a message that killed their pool child. It travels with the message, so that
// the count outlives workers; only what was started is counted, never what was merely prefetched.
const deathsHeader = "x-taskbench-deaths"

// returnsHeader counts the copies that were sent back because the task asked to be queued again.
const returnsHeader = "x-taskbench-returns"

// An attempt is one delivery in hand. It belongs to a lane, which uses it again for the next delivery, unless it runs on.
type attempt struct {
	session  *session
	delivery brokers.Delivery
	job      pool.Job
	task     *taskState // nil for a task that nobody knows
	key      key
	acked    bool         // early, and the broker was told
	unsure   bool         // early, and nobody knows whether the broker was told
	apart    bool         // not known to the worker's memory
	runsOn   bool         // abandoned at its hard limit: its function may still call what belongs to it
	held     []func(bool) // the memory's
	due      time.Time    // the schedule's
	claim    *claim       // nil where others need not be kept from the task

	door    door
	started func()                      // for job.Started, where somebody wants to know
	send    func(brokers.Message) error // for job.Send

	// What remote control reads meanwhile.
	stage  atomic.Int32
	since  atomic.Int64 // in ns since 1970: of stage
	signal atomic.Int32 // by which remote control ended it
	left   atomic.Bool  // the pool is done with it; noted where somebody watches

	mu       sync.Mutex
	children []json.RawMessage // result tuples of tasks that this one sent
}

// The stages of an attempt.
const (
	reserved int32 = iota
	waiting        // for its ETA
	queued         // for a place in the pool, or in it where the pool is not asked to tell of the start
	begun
)

// A door is the context with which an attempt waits for a place in the pool, which looks once more at the moment at which
// there is one: an attempt that is not to be run any more does not get in.
type door struct {
	context.Context
	attempt *attempt
}

var errUnwanted = errors.New("the task expired or was revoked")

func (d *door) Err() error {
	if err := d.Context.Err(); err != nil {
		return err
	}
	if d.attempt.session.worker.unwanted(d.attempt) != "" {
		return errUnwanted
	}
	return nil
}

func (s *session) attempt(settle context.Context) *attempt {
	a := &attempt{session: s}
	a.started = func() { s.started(settle, a) }
	a.send = func(m brokers.Message) error { return s.sendFor(settle, a, m) }
	return a
}

// event makes one of this attempt.
func (a *attempt) event(k EventKind) Event {
	return Event{Kind: k, ID: a.job.Task.ID, Attempt: a.job.Attempt}
}

func (a *attempt) enter(stage int32) {
	a.since.Store(time.Now().UnixNano())
	a.stage.Store(stage)
}

func (w *Worker) observe(e Event) { w.observer.Observe(e) }

// reset makes an attempt that of a delivery.
func (a *attempt) reset(d brokers.Delivery, number uint64) {
	a.delivery, a.acked, a.unsure, a.apart, a.task, a.children = d, false, false, false, nil, nil
	a.claim = nil
	a.job.Attempt, a.job.Send = number, a.send
	a.stage.Store(reserved)
	a.signal.Store(0)
	a.left.Store(false)
}

// take follows a delivery from its receipt to its settling. False says that the attempt was put on the schedule.
func (s *session) take(ctx, settle context.Context, a *attempt, d brokers.Delivery) bool {
	w := s.worker
	m := d.Message()
	a.reset(d, w.counters.attempts.Add(1))
	w.counters.received.Add(1)
	t, err := message.Read(m, w.options.Accept...)
	a.job.Task = t
	if err != nil {
		a.job.Task = named(m, err)
		s.malformed(settle, a, err)
		return true
	}
	a.task = w.tasks[t.Name]
	a.key = keyOf(&t)
	if a.task == nil {
		s.unknown(settle, a)
		return true
	}
	redelivered := d.Redelivered()
	a.job.Redelivered = redelivered || a.key.deaths > 0 || a.key.returns > 0
	w.observe(a.event(Received))
	if !s.admit(ctx, settle, a, redelivered) {
		return true
	}
	if (redelivered || m.Headers[canvas.HeaderOnce] == true) && s.succeededBefore(settle, a) {
		return true
	}
	return s.start(ctx, settle, a)
}

// named is as much of a task as can be told of a message that could not be read.
func named(m brokers.Message, err error) message.Task {
	t := message.Task{Message: m}
	if e, is := errors.AsType[*message.Error](err); is {
		t.Name, t.ID = e.Task, e.ID
	}
	if t.ID == "" {
		t.ID, _ = m.Headers["id"].(string)
	}
	return t
}

// deliveries is how often the broker says that it has handed the message out, or 0.
func (a *attempt) deliveries() int {
	if c, counts := a.delivery.(brokers.Counted); counts {
		return c.Deliveries()
	}
	return 0
}

// start runs an admitted attempt, at once or when it is due. False says that it was put on the schedule.
func (s *session) start(ctx, settle context.Context, a *attempt) bool {
	w := s.worker
	w.options.Metrics.Received(a.names())
	if why := w.unwanted(a); why != "" {
		s.drop(settle, a, why)
		return true
	}
	if w.events.Enabled() {
		w.events.Received(w.told(a))
	}
	if n := a.deliveries(); w.config.MaxDeliveries > 0 && n > w.config.MaxDeliveries {
		s.worn(settle, a, n)
		return true
	}
	if eta := a.job.Task.ETA; !eta.IsZero() && eta.After(s.worker.now()) {
		if s.park(settle, a) {
			return true
		}
		a.enter(waiting)
		if s.schedule.add(a, eta) {
			return false
		}
		s.giveBack(settle, a)
		return true
	}
	return s.proceed(ctx, settle, a)
}

// proceed runs an attempt that is due, once no other copy of its task is run and its task's rate limit lets it. False
// says that it was put on the schedule.
func (s *session) proceed(ctx, settle context.Context, a *attempt) bool {
	if backend := s.worker.claims(a); backend != nil {
		if run, later := s.claim(settle, a, backend); !run {
			return !later
		}
	}
	if a.task.limited.Load() {
		a.enter(reserved)
		if a.task.bucket.Wait(ctx) != nil {
			s.giveBack(settle, a)
			return true
		}
	}
	if why := s.worker.unwanted(a); why != "" {
		s.drop(settle, a, why)
		return true
	}
	s.execute(ctx, settle, a)
	return true
}

// unwanted says why an attempt is not to be started, in the words of Celery's TaskRevokedError; "" is no reason.
func (w *Worker) unwanted(a *attempt) string {
	t := &a.job.Task
	if !t.Expires.IsZero() && !w.now().Before(t.Expires) {
		return "expired"
	}
	if w.revoked.Has(t.ID) || w.revoked.HasStamp(t.Message.Headers) {
		return "revoked"
	}
	return ""
}

// keyOf names the message of a task that was read.
func keyOf(t *message.Task) key {
	h := t.Message.Headers
	return key{id: t.ID, retries: int32(t.Retries), deaths: countOf(h[deathsHeader]), returns: countOf(h[returnsHeader])}
}

// countOf reads a count from a header. Anything but a count is none.
func countOf(v any) int32 {
	n, _ := integer(v)
	return int32(min(max(n, 0), mostCounted))
}

// integer is the number in a header, in any of the types that brokers make of one; beyond 2^62 it is that.
func integer(v any) (n int64, is bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case int32:
		return int64(v), true
	case int:
		return int64(v), true
	case float64:
		const most = 1 << 62
		if v == v { // NaN is not
			return int64(min(max(v, -most), most)), true
		}
	}
	return 0, false
}

// mostCounted leaves room to count on, whatever a stranger has written.
const mostCounted = 1 << 30

// execute runs an attempt and settles it.
func (s *session) execute(ctx, settle context.Context, a *attempt) {
	w := s.worker
	t := &a.job.Task
	a.job.Soft, a.job.Hard = a.task.limits(t.Soft, t.Hard)
	a.job.Started, a.job.Prompt = nil, a.task.early // what is acknowledged late may come again
	if w.inProcess || a.task.early || a.task.track || w.options.Metrics != nil || w.events.Enabled() {
		a.job.Started = a.started
	}
	a.enter(queued)
	var r pool.Result
	if a.task.attended != nil {
		r = s.attended(ctx, a, a.task.attended)
	} else {
		a.door = door{ctx, a}
		r = (*w.pool.Load()).Run(&a.door, &a.job)
	}
	if w.options.Metrics != nil {
		w.watch.leaves(a)
	}
	switch r.Status {
	case pool.Unstarted:
		if why := w.unwanted(a); why != "" && ctx.Err() == nil {
			s.drop(settle, a, why) // it came to be so while the attempt waited for a place
			return
		}
		s.giveBack(settle, a)
		return
	case pool.Malformed:
		w.rejectedEvent(a, false) // since it was told to be received
		s.end(a, s.malformed(settle, a, r.Err), true)
		return
	case pool.Expired:
		s.drop(settle, a, "expired")
		return
	}
	w.counters.started.Add(1)
	a.task.total.Add(1)
	a.runsOn = r.PID == w.pid
	if r.PID != 0 { // the child may not have come to observe it; if it has, this says the same again
		e := a.event(Finished)
		e.Outcome = outcome(r.Status)
		if r.PID != w.pid {
			e.PID = r.PID
		}
		w.observe(e)
	}
	switch r.Status {
	case pool.OK:
		w.counters.succeeded.Add(1)
		s.succeed(settle, a, r)
	case pool.Retry:
		w.counters.retried.Add(1)
		s.retry(settle, a, r)
	case pool.Killed:
		w.counters.killed.Add(1)
		s.killed(settle, a, r)
	default:
		s.fail(ctx, settle, a, r)
	}
}

// started is called when an attempt has begun.
func (s *session) started(settle context.Context, a *attempt) {
	w := s.worker
	a.enter(begun)
	if w.options.Metrics != nil {
		w.watch.began.Store(a.since.Load())
		w.options.Metrics.Started(a.names())
	}
	if a.task.early {
		err := s.ack(settle, a)
		a.acked = err == nil
		a.unsure = err != nil && !brokers.Definite(err)
	}
	w.events.Started(a.key.id)
	if a.task.track && w.stores(a) {
		w.tryStore(settle, w.record(a, result.Started))
	}
}

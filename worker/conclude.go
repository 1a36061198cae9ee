package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"taskbench/worker/event"
	"taskbench/worker/message"
	"taskbench/worker/pool"
	"taskbench/worker/result"
)

// plainEmbed ends the body of a task that is in no workflow, as Celery and this program write it.
var plainEmbed = []byte(`{"callbacks": null, "errbacks": null, "chain": null, "chord": null}]`)

// linked tells whether a task is in a workflow, so that others are to hear of its end.
func linked(t *message.Task) bool {
	if bytes.HasSuffix(t.Message.Body, plainEmbed) {
		return false
	}
	b, err := t.Body()
	return err == nil && len(b.Embed) > 0 && string(b.Embed) != "null"
}

// stores tells whether results of the task are kept.
func (w *Worker) stores(a *attempt) bool {
	if w.options.Results == nil {
		return false
	}
	if ignore, said := a.job.Task.Message.Headers["ignore_result"].(bool); said {
		return !ignore
	}
	return a.task == nil || !a.task.ignore
}

// record begins the record of a task.
func (w *Worker) record(a *attempt, s result.State) result.Record {
	t := &a.job.Task
	r := result.Record{TaskID: t.ID, State: s}
	r.GroupID, _ = t.Message.Headers["group"].(string)
	r.ParentID, _ = t.Message.Headers["parent_id"].(string)
	r.ReplyTo, r.CorrelationID = t.Message.ReplyTo, t.Message.CorrelationID
	switch {
	case s == result.Started:
		r.Value, _ = json.Marshal(map[string]any{"pid": os.Getpid(), "hostname": w.config.Name}) // always encodes
	case s.Ready():
		r.Done = time.Now()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	r.Children = slices.Clone(a.children)
	if w.config.ResultExtended {
		r.Extended = w.extended(t)
	}
	return r
}

func (w *Worker) extended(t *message.Task) *result.Extended {
	x := &result.Extended{Name: t.Name, Worker: w.config.Name, Retries: t.Retries, Queue: t.Message.Queue}
	if b, err := t.Body(); err == nil {
		x.Args, _ = json.Marshal(b.Args) // what was read encodes
		x.Kwargs, _ = json.Marshal(b.Kwargs)
		if b.Args == nil {
			x.Args = json.RawMessage("[]")
		}
		if b.Kwargs == nil {
			x.Kwargs = json.RawMessage("{}")
		}
	}
	return x
}

// celeryError is an exception that Celery itself raises.
func celeryError(kind string, args ...any) *result.Exception {
	x := &result.Exception{Type: kind, Module: "celery.exceptions"}
	for _, arg := range args {
		raw, _ := json.Marshal(arg) // strings and booleans
		x.Args = append(x.Args, raw)
	}
	return x
}

// exceptionOf is what ended an attempt, in the form in which it is kept.
func exceptionOf(r pool.Result) *result.Exception {
	switch {
	case r.Exception != nil:
		return r.Exception
	case r.Err != nil:
		raw, _ := json.Marshal(r.Err.Error()) // a string always encodes
		return &result.Exception{Type: "Exception", Module: "builtins", Args: []json.RawMessage{raw}}
	}
	return &result.Exception{Type: "Exception", Module: "builtins"}
}

// succeed settles an attempt that came to its end: what follows in its workflow is sent, then the result is stored,
// then its chord is told, and only then is the message acknowledged. A crash anywhere between repeats what came
// before and loses nothing. A task whose result nobody can keep has failed, as with Celery.
func (s *session) succeed(settle context.Context, a *attempt, r pool.Result) {
	w := s.worker
	t := &a.job.Task
	took := time.Since(time.Unix(0, a.since.Load())) // without what it takes to store its result
	stores, follows := w.stores(a), linked(t)
	if r.Exception != nil && (stores || follows) {
		s.valueLost(settle, a, r)
		return
	}
	if stores || follows {
		body, err := t.Body()
		if err != nil {
			follows = false // it has been run by another process, which could read it
		}
		rec := w.record(a, result.Success)
		rec.Value = r.Value
		if rec.Value == nil {
			rec.Value = json.RawMessage("null")
		}
		known := len(rec.Children)
		var refused error
		if !s.persist(settle, a, func(ctx context.Context) error {
			if !follows {
				return nil
			}
			children, err := w.follower.Succeeded(ctx, t, body, rec.Value)
			rec.Children = append(rec.Children[:known], children...)
			return w.follows(a, err)
		}, func(ctx context.Context) error {
			err := w.store(ctx, a, stores, rec)
			if errors.Is(err, result.ErrRefused) {
				refused, err = err, nil
			}
			return err
		}, func(ctx context.Context) error {
			if !follows || refused != nil {
				return nil
			}
			return w.follows(a, w.follower.Stored(ctx, t, body, rec))
		}) {
			return
		}
		if refused != nil {
			w.counters.failed.Add(1)
			w.log.Error("result refused: the task counts as failed", "worker", w.config.Name, "task", t.Name, "id", a.key.id, "err", refused)
			s.failure(settle, a, celeryError("BackendStoreError", refused.Error()))
			return
		}
	}
	w.succeededEvent(a, r, took)
	s.finish(settle, a)
}

// valueLost settles an attempt that came to its end in a child that died before it could say with what. Somebody waits
// for that, so the attempt counts as killed; where it may not be run again, it has failed.
func (s *session) valueLost(settle context.Context, a *attempt, r pool.Result) {
	if a.acked || !a.task.reject {
		s.fail(context.Background(), settle, a, r)
		return
	}
	s.killed(settle, a, r)
}

// store keeps a record, and observes that.
func (w *Worker) store(ctx context.Context, a *attempt, stores bool, r result.Record) error {
	if !stores {
		return nil
	}
	if err := w.options.Results.Store(ctx, r); err != nil {
		return fmt.Errorf("store the result: %w", err)
	}
	w.observe(a.event(Stored))
	return nil
}

// storeEnd keeps the record of a task that did not succeed. What is in it may be anything, so where the backend will
// never take that, it is told the state with the reason.
func (w *Worker) storeEnd(ctx context.Context, a *attempt, stores bool, r result.Record) error {
	err := w.store(ctx, a, stores, r)
	if !errors.Is(err, result.ErrRefused) {
		return err
	}
	r.Exception = celeryError("BackendStoreError", fmt.Sprintf("%s: %.200s", r.Exception.Type, err))
	r.Children, r.Extended = nil, nil
	if err = w.store(ctx, a, stores, r); errors.Is(err, result.ErrRefused) {
		w.log.Error("the end of a task was refused: nobody will hear of it", "worker", w.config.Name, "state", r.State, "task", a.job.Task.Name, "id", a.key.id, "err", err)
		return nil
	}
	return err
}

// tryStore keeps a record that says where a task stands meanwhile, if that can be done at once.
func (w *Worker) tryStore(settle context.Context, r result.Record) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(settle), notice) // the loss of a broker is not the backend's
	defer cancel()
	if err := w.options.Results.Store(ctx, r); err != nil {
		w.log.Warn("state could not be stored", "worker", w.config.Name, "state", r.State, "id", r.TaskID, "err", err)
	}
}

// stored tells a task's chord again what it may not have heard.
func (w *Worker) stored(ctx context.Context, a *attempt, r result.Record) error {
	t := &a.job.Task
	body, err := t.Body()
	if err != nil || !linked(t) {
		return nil
	}
	return w.follows(a, w.follower.Stored(ctx, t, body, r))
}

// bury keeps the failure of a task, and tells those that follow in its workflow.
func (s *session) bury(settle context.Context, a *attempt, x *result.Exception) bool {
	w := s.worker
	t := &a.job.Task
	stores, follows := w.stores(a), linked(t)
	if !stores && !follows {
		return true
	}
	rec := w.record(a, result.Failure)
	rec.Exception = x
	return s.persist(settle, a, func(ctx context.Context) error {
		return w.storeEnd(ctx, a, stores, rec)
	}, func(ctx context.Context) error {
		body, err := t.Body()
		if err != nil || !follows {
			return nil
		}
		return w.follows(a, w.follower.Failed(ctx, t, body, x))
	})
}

// fail settles an attempt that ended with an error or was cut off at its time limit.
func (s *session) fail(ctx, settle context.Context, a *attempt, r pool.Result) {
	w := s.worker
	x := exceptionOf(r)
	switch {
	case isIgnore(x):
		s.finish(settle, a)
		return
	case isReject(x):
		s.reject(ctx, settle, a, x)
		return
	case x.Type == replacedBy && len(x.Args) == 1:
		s.replace(settle, a, x)
		return
	}
	w.counters.failed.Add(1)
	w.logFailure(a, r.Err)
	if r.Status == pool.TimedOut && !a.acked && !a.task.acksFailure {
		if deaths := a.key.deaths + 1; int(deaths) < w.config.MaxAttempts {
			w.rejectedEvent(a, true)
			s.sendBack(settle, a, deathsHeader, deaths)
			return
		}
	}
	s.failure(settle, a, x)
}

// failure settles an attempt that has failed for good.
func (s *session) failure(settle context.Context, a *attempt, x *result.Exception) {
	w := s.worker
	if !s.bury(settle, a, x) {
		return
	}
	w.failedEvent(a, x)
	if a.acked || a.task.acksFailure {
		s.finish(settle, a)
		return
	}
	w.rejectedEvent(a, false)
	s.end(a, s.malformed(settle, a, errors.New("it failed, and its task does not acknowledge failures")), true)
}

// killed settles an attempt that was cut off.
func (s *session) killed(settle context.Context, a *attempt, r pool.Result) {
	w := s.worker
	deaths := a.key.deaths + 1
	switch {
	case r.Terminated:
		s.drop(settle, a, "terminated")
	case r.PID == 0 || w.gaveUp.Load() && !a.acked:
		if a.acked { // the worker's own doing, and nobody else has the task
			s.lost(settle, a, r)
			return
		}
		w.events.Cancelled(a.key.id)
		s.giveBack(settle, a) // it does not count against the task
	case a.acked:
		s.lost(settle, a, r)
	case !a.task.reject:
		if x := exceptionOf(r); s.bury(settle, a, x) {
			w.failedEvent(a, x)
			s.finish(settle, a)
		}
	case int(deaths) >= w.config.MaxAttempts:
		if x := exceptionOf(r); s.bury(settle, a, x) {
			w.failedEvent(a, x)
			s.end(a, s.malformed(settle, a, fmt.Errorf("it killed %d pool children", deaths)), true)
		}
	default:
		w.log.Warn("pool child lost: its task goes back", "worker", w.config.Name, "task", a.job.Task.Name, "id", a.key.id, "pid", r.PID, "deaths", deaths)
		w.rejectedEvent(a, true)
		s.sendBack(settle, a, deathsHeader, deaths)
	}
}

// worn keeps a message aside that was handed out too often: as a rule because its task ends the worker that runs it, so that
// nobody is left to count deaths but the broker.
func (s *session) worn(settle context.Context, a *attempt, n int) {
	w := s.worker
	why := fmt.Sprintf("it was handed out %d times and never settled", n)
	x := pool.WorkerLost(why)
	if !s.bury(settle, a, x) {
		return
	}
	w.failedEvent(a, x)
	w.rejectedEvent(a, false)
	s.end(a, s.malformed(settle, a, errors.New(why)), true)
}

// lost says that a task is gone with its child: it was acknowledged early.
func (s *session) lost(settle context.Context, a *attempt, r pool.Result) {
	w := s.worker
	w.log.Error("task lost with its pool child: it was acknowledged early", "worker", w.config.Name, "task", a.job.Task.Name, "id", a.key.id, "pid", r.PID)
	if x := exceptionOf(r); s.bury(settle, a, x) {
		w.failedEvent(a, x)
		s.end(a, true, true)
	}
}

// drop settles a message that is not to be run, or whose attempt was ended on somebody's word.
func (s *session) drop(settle context.Context, a *attempt, why string) {
	w := s.worker
	t := &a.job.Task
	if why == "expired" {
		w.counters.expired.Add(1)
	} else {
		w.counters.revoked.Add(1)
	}
	rec := w.record(a, result.Revoked)
	rec.Exception = celeryError("TaskRevokedError", why)
	stores := w.stores(a)
	if !s.persist(settle, a, func(ctx context.Context) error {
		return w.storeEnd(ctx, a, stores, rec)
	}, func(ctx context.Context) error {
		body, err := t.Body()
		if err != nil || !linked(t) {
			return nil
		}
		return w.follows(a, w.follower.Revoked(ctx, t, body, rec.Exception))
	}) {
		return
	}
	w.log.Info("task not run", "worker", w.config.Name, "task", t.Name, "id", t.ID, "why", why)
	revocation := event.Revocation{Expired: why == "expired", Terminated: why == "terminated"}
	if revocation.Terminated {
		revocation.Signal = int(syscall.Signal(a.signal.Load()))
	}
	w.options.Metrics.Revoked(a.names())
	w.events.Revoked(t.ID, revocation)
	s.finishUnrun(settle, a)
}

// unknown keeps a message aside whose task this worker does not know, and has its sender hear of it.
func (s *session) unknown(settle context.Context, a *attempt) {
	w := s.worker
	a.apart = true // a message that is not run needs no memory
	x := celeryError("NotRegistered", a.job.Task.Name)
	if !s.bury(settle, a, x) {
		return
	}
	w.failedEvent(a, x)
	s.malformed(settle, a, errUnknownTask)
}

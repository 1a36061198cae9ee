package event

import "time"

// A Task is what is told of a task when it is sent or received.
type Task struct {
	ID       string
	Name     string
	Args     string // as Python's repr, cut: the message's argsrepr, or what package repr makes
	Kwargs   string
	RootID   string
	ParentID string
	Retries  int
	ETA      time.Time // zero: none
	Expires  time.Time
}

func (e *encoder) task(t *Task) {
	e.text("uuid", t.ID)
	e.text("name", t.Name)
	e.text("args", t.Args)
	e.text("kwargs", t.Kwargs)
	e.textOrNull("root_id", t.RootID)
	e.textOrNull("parent_id", t.ParentID)
	e.integer("retries", int64(t.Retries))
	e.instant("eta", t.ETA)
	e.instant("expires", t.Expires)
}

// Sent tells that a client published a task: to a queue, by an exchange ("" for the default one) and a key.
func (s *Sender) Sent(t Task, queue, exchange, key string) {
	if !s.enabled.Load() {
		return
	}
	e := s.begin()
	e.task(&t)
	e.text("queue", queue)
	e.text("exchange", exchange)
	e.text("routing_key", key)
	s.end(e, "task-sent", "task.sent")
}

// Received tells that the worker took a task from a queue.
func (s *Sender) Received(t Task) {
	if !s.enabled.Load() {
		return
	}
	e := s.begin()
	e.task(&t)
	s.end(e, "task-received", "task.received")
}

// Started tells that an attempt at the task has begun.
func (s *Sender) Started(id string) {
	if !s.enabled.Load() {
		return
	}
	e := s.begin()
	e.text("uuid", id)
	s.end(e, "task-started", "task.started")
}

// Succeeded tells the task's result, as Python's repr, and how long it ran.
func (s *Sender) Succeeded(id, result string, runtime time.Duration) {
	if !s.enabled.Load() {
		return
	}
	e := s.begin()
	e.text("uuid", id)
	e.text("result", result)
	e.float("runtime", runtime.Seconds())
	s.end(e, "task-succeeded", "task.succeeded")
}

// Failed tells the exception that ended the task, as Python's repr: see repr.Exception. Without a traceback, as with
// a task that the worker does not know, the event has none.
func (s *Sender) Failed(id, exception, traceback string) {
	s.raised("task-failed", "task.failed", id, exception, traceback)
}

// Retried tells that the task will be tried again, and why.
func (s *Sender) Retried(id, exception, traceback string) {
	s.raised("task-retried", "task.retried", id, exception, traceback)
}

func (s *Sender) raised(kind, key, id, exception, traceback string) {
	if !s.enabled.Load() {
		return
	}
	e := s.begin()
	e.text("uuid", id)
	e.text("exception", exception)
	if traceback != "" {
		e.text("traceback", traceback)
	}
	s.end(e, kind, key)
}

// A Revocation is how a task came to be revoked.
type Revocation struct {
	Terminated bool // it was running, and its process was ended
	Signal     int  // by this signal
	Expired    bool // it came too late; nobody revoked it
}

// Revoked tells that the task will not be run, or was ended while it ran.
func (s *Sender) Revoked(id string, r Revocation) {
	if !s.enabled.Load() {
		return
	}
	e := s.begin()
	e.text("uuid", id)
	e.boolean("terminated", r.Terminated)
	if r.Signal != 0 {
		e.integer("signum", int64(r.Signal))
	} else {
		e.null("signum")
	}
	e.boolean("expired", r.Expired)
	s.end(e, "task-revoked", "task.revoked")
}

// Rejected tells that the worker gave the task's message back, for another attempt or not.
func (s *Sender) Rejected(id string, requeue bool) {
	if !s.enabled.Load() {
		return
	}
	e := s.begin()
	e.text("uuid", id)
	e.boolean("requeue", requeue)
	s.end(e, "task-rejected", "task.rejected")
}

// Cancelled tells that a running task was given up since the connection was lost, or the worker had to stop.
func (s *Sender) Cancelled(id string) {
	if !s.enabled.Load() {
		return
	}
	e := s.begin()
	e.text("uuid", id)
	s.end(e, "task-cancelled", "task.cancelled")
}

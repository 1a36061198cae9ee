package event

import (
	"encoding/json"
	"maps"
	"strings"
	"time"
)

// maxStates bounds what one task's events of ever new types can take.
const maxStates = 32

// silent is how long from heartbeat to heartbeat a worker is given that does not say.
const silent = time.Minute

func (s *State) see(e Event) *WorkerView {
	w := s.workers.touch(e.Hostname, func() *WorkerView { return &WorkerView{Hostname: e.Hostname, Interval: silent} })
	w.Clock = max(w.Clock, e.Clock)
	if e.PID != 0 {
		w.PID = e.PID
	}
	return w
}

func (s *State) worker(e Event) bool {
	if e.Hostname == "" {
		return false
	}
	w := s.see(e)
	var fields map[string]json.RawMessage
	_ = json.Unmarshal(e.Raw, &fields) // the receiver has read it before
	set(fields["active"], func(n float64) { w.Active = int(n) })
	set(fields["processed"], func(n float64) { w.Processed = uint64(max(n, 0)) })
	set(fields["freq"], func(n float64) {
		if n > 0 && n < 1e6 {
			w.Interval = time.Duration(n * float64(time.Second))
		}
	})
	keep(&w.Software, fields["sw_ident"])
	keep(&w.Version, fields["sw_ver"])
	keep(&w.System, fields["sw_sys"])
	var load []float64
	if json.Unmarshal(fields["loadavg"], &load) == nil {
		copy(w.Load[:], load)
	}
	switch e.Type {
	case "worker-offline":
		w.Seen = time.Time{}
	case "worker-online", "worker-heartbeat":
		w.Seen = e.Received
	}
	return true
}

// states are the states that Celery's task events lead to.
var states = map[string]string{
	"sent": Pending, "received": Received, "started": Started, "succeeded": Success, "failed": Failure,
	"retried": Retry, "revoked": Revoked, "rejected": Rejected,
}

// later ranks the states as Celery does: an event does not take a task back to a lower one, for events of several
// tellers come in any order. Retry stands outside: after it everything begins again.
var later = map[string]int{Pending: 0, Retry: 1, Rejected: 2, Received: 3, Started: 4, Revoked: 5, Failure: 7, Success: 8}

func rank(state string) int {
	if n, ok := later[state]; ok {
		return n
	}
	return 6 // a custom state, such as PROGRESS
}

func (s *State) task(e Event) {
	t := s.tasks.touch(e.UUID, func() *TaskView {
		return &TaskView{Task: Task{ID: e.UUID}, State: Pending, Times: map[string]time.Time{}}
	})
	subject := strings.TrimPrefix(e.Type, "task-")
	state, known := states[subject]
	if !known {
		state = strings.ToUpper(subject)
	}
	if _, again := t.Times[state]; again || len(t.Times) < maxStates {
		t.Times[state] = e.Timestamp
	}
	t.Clock = max(t.Clock, e.Clock)
	var fields map[string]json.RawMessage
	_ = json.Unmarshal(e.Raw, &fields) // the receiver has read it before
	if state == Pending || state == Received {
		t.describe(fields) // these alone tell what the task is, whenever they come
	}
	if state == Pending {
		t.Client = e.Hostname
		keep(&t.Queue, fields["queue"])
	}
	if state != Retry && t.State != Retry && rank(state) < rank(t.State) {
		return
	}
	t.State, t.Worker, t.Changed = state, e.Hostname, e.Timestamp
	keep(&t.Result, fields["result"])
	keep(&t.Exception, fields["exception"])
	keep(&t.Traceback, fields["traceback"])
	set(fields["runtime"], func(n float64) {
		if n >= 0 && n < 1e9 {
			t.Runtime = time.Duration(n * float64(time.Second))
		}
	})
}

func (t *TaskView) describe(fields map[string]json.RawMessage) {
	keep(&t.Name, fields["name"])
	keep(&t.Args, fields["args"])
	keep(&t.Kwargs, fields["kwargs"])
	keep(&t.RootID, fields["root_id"])
	keep(&t.ParentID, fields["parent_id"])
	set(fields["retries"], func(n float64) { t.Retries = int(n) })
	instant(&t.ETA, fields["eta"])
	instant(&t.Expires, fields["expires"])
}

func (t *TaskView) copy() TaskView {
	c := *t
	c.Times = maps.Clone(t.Times)
	return c
}

func keep(to *string, raw json.RawMessage) {
	if s := text(raw); s != "" {
		*to = s
	}
}

func set(raw json.RawMessage, to func(float64)) {
	if n, ok := number(raw); ok {
		to(n)
	}
}

func instant(to *time.Time, raw json.RawMessage) {
	if t, err := time.Parse(time.RFC3339Nano, text(raw)); err == nil {
		*to = t
	}
}

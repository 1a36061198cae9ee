package event

import (
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
)

func message(body string) brokers.Message {
	return brokers.Message{Body: []byte(body), ContentType: "application/json", ContentEncoding: "utf-8"}
}

func TestReadsWhatCelerySends(t *testing.T) {
	for path, types := range captures(t) {
		for kind, c := range types {
			var r Receiver
			events, err := r.Decode(c.message(t))
			if err != nil || len(events) != 1 {
				t.Errorf("%s %s: %d events, %v", path, kind, len(events), err)
				continue
			}
			e := events[0]
			var fields map[string]any
			err = e.Fields(&fields)
			delete(fields, "traceback") // the capture's own has other file names
			delete(c.Event, "traceback")
			if err != nil || !reflect.DeepEqual(fields, c.Event) {
				t.Errorf("%s %s: got %v, want %v", path, kind, fields, c.Event)
			}
			at := float64(e.Timestamp.UnixMicro()) / 1e6
			if e.Type != kind || e.Hostname != c.Event["hostname"] || float64(e.PID) != c.Event["pid"] || at-c.Event["timestamp"].(float64) > 1e-5 {
				t.Errorf("%s %s: got %+v", path, kind, e)
			}
			if uuid, there := c.Event["uuid"]; there && e.UUID != uuid {
				t.Errorf("%s %s: uuid %s", path, kind, e.UUID)
			}
			if kind == "task-sent" && e.Clock != 0 || kind != "task-sent" && float64(e.Clock) != c.Event["clock"] {
				t.Errorf("%s %s: clock %d", path, kind, e.Clock)
			}
		}
	}
}

func TestDecodeTakesWhatIsUsable(t *testing.T) {
	for name, c := range map[string]struct {
		body   string
		types  string // separated by space
		broken uint64
	}{
		"array":       {`[{"type": "task-a"}, {"type": "task-b"}]`, "task-a task-b", 0},
		"empty array": {`[]`, "", 0},
		"half broken": {`[{"type": "task-a"}, 5, {"no": "type"}, null, {"type": 7}, {"type": "task-b"}]`, "task-a task-b", 4},
		"not finite":  {`[{"type": "task-a", "x": NaN, "y": [-Infinity, Infinity], "z": "NaN \" NaN"}]`, "task-a", 0},
		"wrong types": {`{"type": "task-a", "hostname": 5, "uuid": [], "timestamp": "x", "clock": {}, "pid": "p", "utcoffset": null}`, "task-a", 0},
		"decimal":     {`{"type": "task-a", "timestamp": {"__type__": "decimal", "__value__": "1795309095.5"}}`, "task-a", 0},
		"nothing":     {``, "", 1},
		"text":        {`"task-a"`, "", 1},
		"cut":         {`[{"type": "task-a"`, "", 1},
		"deep":        {strings.Repeat("[", 100_000), "", 1},
		"far future":  {`{"type": "task-a", "timestamp": 1e300, "clock": 1e300, "pid": 1e300}`, "task-a", 0},
		"negative":    {`{"type": "task-a", "timestamp": -5, "clock": -7}`, "task-a", 0},
	} {
		t.Run(name, func(t *testing.T) {
			var r Receiver
			events, err := r.Decode(message(c.body))
			var types []string
			for _, e := range events {
				types = append(types, e.Type)
				if _, err := json.Marshal(e.Timestamp); err != nil {
					t.Error(err)
				}
			}
			if got := strings.Join(types, " "); got != c.types || r.Broken() != c.broken || (err != nil) != (c.broken > 0) {
				t.Errorf("got %q, %d broken, %v; want %q, %d", got, r.Broken(), err, c.types, c.broken)
			}
		})
	}
	var r Receiver
	if events, err := r.Decode(brokers.Message{ContentType: "application/x-python-serialize", Body: []byte(`{"type": "task-a"}`)}); err == nil || len(events) > 0 {
		t.Error("pickle was read")
	}
}

func TestClock(t *testing.T) {
	var c Clock
	if c.Forward() != 1 || c.Adjust(10) != 11 || c.Adjust(3) != 12 || c.Value() != 12 {
		t.Errorf("clock is at %d", c.Value())
	}
	r := Receiver{Clock: &c}
	for _, step := range []struct {
		body  string
		event int64
		after int64
	}{
		{`{"type": "task-received", "clock": 40}`, 40, 41},
		{`{"type": "task-received", "clock": 7}`, 7, 42},
		{`{"type": "task-sent", "clock": 999}`, 41, 43}, // a client's clock counts for nothing
		{`{"type": "task-received"}`, 44, 44},
	} {
		events, err := r.Decode(message(step.body))
		if err != nil || events[0].Clock != step.event || c.Value() != step.after {
			t.Errorf("%s: clock %d of the event, %d after it; want %d, %d (%v)", step.body, events[0].Clock, c.Value(), step.event, step.after, err)
		}
	}
	for range 3 {
		c.Adjust(1<<63 - 1)
	}
	if c.Forward() < 0 {
		t.Error("the clock was made to overflow")
	}
}

type source chan brokers.Message

func (s source) Subscribe(_ context.Context, b brokers.Binding) (<-chan brokers.Message, error) {
	s <- message(`{"type": "worker-` + b.Key + `"}`)
	return s, nil
}

func TestListen(t *testing.T) {
	s := make(source, 2)
	var r Receiver
	var got []string
	ready := false
	ctx, cancel := context.WithCancel(t.Context())
	err := r.Listen(ctx, s, func() { ready = true; close(s) }, func(e Event) { got = append(got, e.Type) })
	if err == nil || !strings.Contains(err.Error(), "connection was lost") {
		t.Errorf("a lost connection: %v", err)
	}
	if len(got) != 1 || got[0] != "worker-#" || !ready {
		t.Errorf("got %v, ready %v", got, ready)
	}
	cancel()
	s = make(source, 2)
	if err := r.Listen(ctx, s, func() { close(s) }, func(Event) {}); err != nil {
		t.Errorf("an ended context: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, types := range captures(f) {
		for _, c := range types {
			f.Add(c.message(f).Body)
		}
	}
	f.Add([]byte(`[{"type":"task-a","x":NaN,"timestamp":{"__value__":"1"}},[]]`))
	state := NewState(10, 10)
	var r Receiver
	f.Fuzz(func(t *testing.T, body []byte) {
		before := r.Broken()
		events, err := r.Decode(brokers.Message{Body: body})
		if (err != nil) != (r.Broken() > before) {
			t.Errorf("%d broken, and the error is %v", r.Broken()-before, err)
		}
		for _, e := range events {
			if _, err := json.Marshal(e); err != nil {
				t.Errorf("an event that was read cannot be written: %v", err)
			}
			state.Apply(e)
		}
		if n := len(state.Tasks()) + len(state.Workers()); n > 20 {
			t.Errorf("%d are held", n)
		}
	})
}

func TestStateOfWorkers(t *testing.T) {
	s := NewState(0, 2)
	now := time.Unix(1795309159, 0)
	apply := func(body string) {
		t.Helper()
		var r Receiver
		events, err := r.Decode(message(body))
		if err != nil {
			t.Fatal(err)
		}
		events[0].Received = now
		if !s.Apply(events[0]) {
			t.Errorf("%s says nothing", body)
		}
	}
	apply(`{"type": "worker-heartbeat", "hostname": "w1", "pid": 9, "clock": 5, "freq": 2.0, "active": 3, "processed": 42, "loadavg": [2.0, 1.5], "sw_ident": "py-celery", "sw_ver": "5.2.6", "sw_sys": "Linux"}`)
	want := WorkerView{Status: Status{Active: 3, Processed: 42, Software: "py-celery", Version: "5.2.6", Load: [3]float64{2, 1.5, 0}}, Hostname: "w1", PID: 9, System: "Linux", Interval: 2 * time.Second, Seen: now, Clock: 5}
	if w := s.Workers(); len(w) != 1 || w[0] != want {
		t.Fatalf("got %+v, want %+v", w, want)
	}
	if w := s.Workers()[0]; !w.Alive(now.Add(3999*time.Millisecond)) || w.Alive(now.Add(4*time.Second)) {
		t.Error("alive is not two intervals")
	}
	apply(`{"type": "worker-offline", "hostname": "w1", "freq": "x", "active": null}`)
	if w := s.Workers()[0]; w.Alive(now) || w.Active != 3 || w.Interval != 2*time.Second {
		t.Errorf("after offline: %+v", w)
	}
	apply(`{"type": "worker-heartbeat", "hostname": "w2"}`)
	if w := s.Workers()[1]; !w.Alive(now.Add(119*time.Second)) || w.Alive(now.Add(120*time.Second)) {
		t.Error("without freq it is not 60 s")
	}
	apply(`{"type": "worker-online", "hostname": "w3"}`)
	if w := s.Workers(); len(w) != 2 || w[0].Hostname != "w2" {
		t.Errorf("the bound does not hold, or dropped the wrong one: %v", w)
	}
	if s.Apply(Event{Type: "worker-online"}) || s.Apply(Event{Type: "task-started", Hostname: "w"}) || s.Apply(Event{Type: "beat-tick", Hostname: "w"}) {
		t.Error("what says nothing of anybody counts")
	}
}

func TestStateOfTasks(t *testing.T) {
	steps := map[string]string{
		"sent":     `{"type": "task-sent", "uuid": "1", "hostname": "gen1", "name": "lab.add", "queue": "celery", "args": "(2, 3)", "timestamp": 1}`,
		"received": `{"type": "task-received", "uuid": "1", "hostname": "w1", "name": "lab.add", "args": "(2, 3)", "eta": "2026-03-01T10:00:00+00:00", "retries": 2, "timestamp": 2}`,
		"started":  `{"type": "task-started", "uuid": "1", "hostname": "w1", "timestamp": 3}`,
		"success":  `{"type": "task-succeeded", "uuid": "1", "hostname": "w1", "result": "5", "runtime": 0.25, "timestamp": 4}`,
		"retried":  `{"type": "task-retried", "uuid": "1", "hostname": "w1", "exception": "E()", "timestamp": 5}`,
		"progress": `{"type": "task-progress", "uuid": "1", "hostname": "w1", "timestamp": 6}`,
	}
	for order, want := range map[string]string{
		"sent":                              Pending,
		"sent received started success":     Success,
		"success started received sent":     Success,
		"started received":                  Started,
		"sent received started progress":    "PROGRESS",
		"received started retried received": Received,
		"received started retried":          Retry,
		"success progress":                  Success,
	} {
		s := NewState(5, 5)
		var r Receiver
		for _, step := range strings.Fields(order) {
			events, err := r.Decode(message(steps[step]))
			if err != nil || !s.Apply(events[0]) {
				t.Fatal(step, err)
			}
		}
		v, ok := s.Task("1")
		if !ok || v.State != want {
			t.Errorf("%s: state %s, want %s", order, v.State, want)
		}
		if strings.Contains(order, "received") && (v.Name != "lab.add" || v.Args != "(2, 3)" || v.Retries != 2 || v.ETA.IsZero()) {
			t.Errorf("%s: %+v", order, v)
		}
		if strings.Contains(order, "success") && (v.Result != "5" || v.Runtime != 250*time.Millisecond || v.Worker != "w1") {
			t.Errorf("%s: %+v", order, v)
		}
		if strings.Contains(order, "sent") && (v.Queue != "celery" || v.Client != "gen1") {
			t.Errorf("%s: %+v", order, v)
		}
	}
	s := NewState(2, 2)
	for _, id := range []string{"a", "b", "a", "c"} {
		s.Apply(Event{Type: "task-started", UUID: id, Hostname: "w"})
	}
	if _, there := s.Task("b"); there || len(s.Tasks()) != 2 || s.Tasks()[1].ID != "c" {
		t.Errorf("the bound does not hold, or dropped the wrong one: %+v", s.Tasks())
	}
}

package canvas

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/worker/message"
	"taskbench/worker/result"
)

// sentBy runs Succeeded once for a task that has just been sent, and returns what that sends.
func (w *world) sentBy(t *testing.T, m brokers.Message, value string) (children []json.RawMessage, sent []brokers.Message) {
	t.Helper()
	task, err := message.Read(m)
	if err != nil {
		t.Fatal(err)
	}
	body, err := task.Body()
	if err != nil {
		t.Fatal(err)
	}
	before := len(w.sent)
	children, err = w.f.Succeeded(context.Background(), &task, body, json.RawMessage(value))
	if err != nil {
		t.Fatal(err)
	}
	return children, w.sent[before:]
}

// TestChildrenKeepTheirIDs: a task that is run twice sends the same children, unnamed ones too.
func TestChildrenKeepTheirIDs(t *testing.T) {
	chord := Chord([]Signature{Sig("lab.add", 1), Chain(Sig("lab.add", 2), Sig("lab.mul", 2))}, Sig("lab.xsum"))
	w := newWorld()
	s := Sig("lab.add", 1, 1).Link(Sig("lab.mul", 2), Group(Sig("lab.mul", 3), Sig("lab.mul", 4)), chord)
	if _, _, err := w.f.Start(context.Background(), s); err != nil {
		t.Fatal(err)
	}
	first, sent := w.sentBy(t, w.sent[0], "2")
	again, sent2 := w.sentBy(t, w.sent[0], "2")
	if !reflect.DeepEqual(first, again) || len(first) != 2 {
		t.Errorf("children %s, and again %s", first, again)
	}
	ids := map[string]bool{}
	for i, m := range sent {
		if m.CorrelationID != sent2[i].CorrelationID || string(m.Body) != string(sent2[i].Body) {
			t.Errorf("%s of %v, and again %s", m.CorrelationID, m.Headers["task"], sent2[i].CorrelationID)
		}
		ids[m.CorrelationID] = true
	}
	if len(ids) != 5 || len(sent) != 5 {
		t.Errorf("%d ids for %d tasks", len(ids), len(sent))
	}
}

// TestStampsAndHeaders: a task's stamps, and if wished its priority, go to its children, whose own options win.
func TestStampsAndHeaders(t *testing.T) {
	w := newWorld()
	w.f.InheritPriority, w.f.Route = true, func(task string) string { return "for-" + task }
	five := uint8(5)
	s := Sig("lab.add", 1, 1).Set(Options{Stamps: map[string]any{"tenant": "acme", "run": 7}, Priority: &five, Queue: "q", Headers: map[string]any{"X-My": "h"}})
	next := Sig("lab.mul", 2).Set(Options{Stamps: map[string]any{"run": 8}, IgnoreResult: true, Shadow: "s", Soft: time.Second, Hard: 2 * time.Second})
	if _, _, err := w.f.Start(context.Background(), s.Link(next)); err != nil {
		t.Fatal(err)
	}
	if m := w.sent[0]; m.Queue != "q" || m.Priority != 5 || m.Headers["X-My"] != "h" || !reflect.DeepEqual(m.Headers["stamped_headers"], []any{"run", "tenant"}) {
		t.Errorf("sent %+v", m)
	}
	_, sent := w.sentBy(t, w.sent[0], "2")
	m := sent[0]
	want := map[string]any{"tenant": "acme", "run": int64(8)}
	if !reflect.DeepEqual(m.Headers["stamps"], want) || m.Priority != 5 || m.Queue != "for-lab.mul" {
		t.Errorf("child %+v", m)
	}
	if m.Headers["ignore_result"] != true || m.Headers["shadow"] != "s" || fmt.Sprint(m.Headers["timelimit"]) != "[2 1]" {
		t.Errorf("child %+v", m.Headers)
	}
}

// TestOptionsOfCelery: what Celery's clients put into options becomes headers and properties.
func TestOptionsOfCelery(t *testing.T) {
	s, err := Parse([]byte(`{"task": "t", "options": {"queue": {"name": "q"}, "eta": "2030-01-02T03:04:05", "expires": "2030-01-02T04:00:00Z",
		"retries": 2, "priority": null, "routing_key": "other", "exchange": "", "delivery_mode": 1, "headers": {"a": 1}, "compression": "zlib", "unknown": {"x": [1]}}}`))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld()
	if _, _, err := w.f.Start(context.Background(), s); err != nil {
		t.Fatal(err)
	}
	m := w.sent[0]
	task, err := message.Read(m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := task.Body(); err != nil || m.Headers["compression"] == nil {
		t.Errorf("compressed body: %v", err)
	}
	if m.Queue != "q" || task.Retries != 2 || !task.ETA.Equal(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)) || task.Expires.Hour() != 4 || !m.Transient || m.Headers["a"] != int64(1) {
		t.Errorf("%+v of %+v", task, m)
	}
	for _, bad := range []string{`{"eta": "soon"}`, `{"countdown": "x"}`, `{"headers": 3}`, `{"priority": []}`, `{"reply_to": 1}`, `{"expires": {}}`} {
		s, err := Parse([]byte(`{"task": "t", "options": ` + bad + `}`))
		if err == nil {
			_, _, err = w.f.Start(context.Background(), s)
		}
		if !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// TestForeignValues: results that are not JSON of ours go on as they are.
func TestForeignValues(t *testing.T) {
	w := newWorld()
	if _, _, err := w.f.Start(context.Background(), Chain(Sig("a"), Sig("b", 1))); err != nil {
		t.Fatal(err)
	}
	for _, v := range []string{`NaN`, `[-Infinity, {"__type__": "datetime", "__value__": "2024-01-02T03:04:05"}]`, `"\u00e9"`, `null`} {
		_, sent := w.sentBy(t, w.sent[0], v)
		task, _ := message.Read(sent[0])
		body, err := task.Body()
		if err != nil || len(body.Args) != 2 || string(body.Args[0]) != v {
			t.Errorf("%s became %s, %v", v, body.Args, err)
		}
	}
}

// replacing is a world in which the task "self" asks to be replaced, the given number of times.
func replacing(with Signature, times int) *world {
	w := newWorld()
	w.tasks = func(task string, args []json.RawMessage) (any, error) {
		if task == "self" && times > 0 {
			times--
			return nil, fmt.Errorf("wrapped: %w", &ReplaceError{With: with})
		}
		return digest(task, args)
	}
	return w
}

// TestReplace: whatever a task is replaced with takes over its id, its callbacks, its chain and its chord.
func TestReplace(t *testing.T) {
	with := map[string]Signature{
		"task":            Sig("new", 1),
		"chain":           Chain(Sig("new", 1), Sig("newer")),
		"group":           Group(Sig("new", 1), Sig("new", 2)),
		"chord":           Chord([]Signature{Sig("new", 1), Sig("new", 2)}, Sig("sum")),
		"ends in a group": Chain(Sig("new", 1), Group(Sig("new", 2), Sig("new", 3))),
	}
	for name, s := range with {
		self := Sig("self").SI().Link(Sig("cb"))
		places := map[string]func(Signature) Signature{
			"alone":    func(s Signature) Signature { return s },
			"in chain": func(s Signature) Signature { return Chain(Sig("before").SI(), s, Sig("after"), Sig("end")) },
			"in chord": func(s Signature) Signature {
				return Chain(Chord([]Signature{Sig("other"), s, Chain(s, Sig("x"))}, Sig("body")), Sig("end"))
			},
		}
		for place, put := range places {
			t.Run(name+" "+place, func(t *testing.T) {
				c := &calculator{calls: map[string]bool{}}
				stand := s.SI() // it gets no arguments
				if s.Kind == KindGroup || name == "ends in a group" {
					stand = then(stand, Sig(taskAccumulate).Link(Sig("cb"))) // callbacks get the list
				} else {
					stand = stand.Link(Sig("cb"))
				}
				want := c.value(put(stand), nil)
				w := replacing(s, 2)
				id, _, err := w.f.Start(context.Background(), put(self))
				if err != nil {
					t.Fatal(err)
				}
				if err := w.run(); err != nil {
					t.Fatal(err)
				}
				if got := w.results.records[id]; got.State != result.Success || string(plainJSON(got.Value)) != string(plainJSON(want)) {
					t.Errorf("%+v, want %s; sent %q", got, want, w.names())
				}
				said := func(m brokers.Message) bool { return m.Headers["task"] == "after" && m.Headers[nesting] == 1 }
				if place == "in chain" && !slices.ContainsFunc(w.sent, said) {
					t.Error("the rest of the chain does not say that it was replaced")
				}
			})
		}
	}
}

// TestReplaceTwice: a task that is run twice is replaced by the same tasks, and by others the next time.
func TestReplaceTwice(t *testing.T) {
	w := newWorld()
	if _, _, err := w.f.Start(context.Background(), Sig("self").Set(as("id"))); err != nil {
		t.Fatal(err)
	}
	send := func(m brokers.Message) []string {
		task, _ := message.Read(m)
		body, _ := task.Body()
		before := len(w.sent)
		if err := w.f.Replace(context.Background(), &task, body, Chain(Group(Sig("a"), Sig("b")), Sig("self"))); err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, m := range w.sent[before:] {
			ids = append(ids, m.CorrelationID)
		}
		return ids
	}
	first, again := send(w.sent[0]), send(w.sent[0])
	deeper := w.sent[0]
	deeper.Headers[nesting] = int32(1)
	if next := send(deeper); !slices.Equal(first, again) || slices.Contains(next, first[0]) || len(first) != 2 {
		t.Errorf("%q, again %q, and deeper %q", first, again, next)
	}
	task, _ := message.Read(w.sent[0])
	if err := w.f.Replace(context.Background(), &task, message.Body{}, Sig("a").With("chord", Sig("b"))); !errors.Is(err, ErrSignature) {
		t.Errorf("a member of a chord: %v", err)
	}
}

// TestResume: a body that has run is not run again, what its worker left undone is done, and others are not looked up.
func TestResume(t *testing.T) {
	w := newWorld()
	w.results.size["G"] = 1
	s := Sig("t").Set(as("inner")).With("group_id", "G").With("group_index", 0).With("chord", Sig("outer").Set(as("outer")))
	if err := w.f.publish(context.Background(), s, call{once: true}); err != nil {
		t.Fatal(err)
	}
	task, _ := message.Read(w.sent[0])
	body, _ := task.Body()
	if done, err := w.f.Resume(context.Background(), &task, body); done || err != nil {
		t.Fatalf("before it ran: %v, %v", done, err)
	}
	_ = w.results.Store(context.Background(), result.Record{TaskID: "inner", State: result.Success, Value: []byte("3")})
	if done, err := w.f.Resume(context.Background(), &task, body); !done || err != nil {
		t.Fatalf("after it ran: %v, %v", done, err)
	}
	if last := w.sent[len(w.sent)-1]; last.CorrelationID != "outer" || !strings.HasPrefix(string(last.Body), "[[[3]]") {
		t.Errorf("sent %+v", last)
	}
	delete(task.Message.Headers, HeaderOnce)
	if done, err := w.f.Resume(context.Background(), &task, body); done || err != nil {
		t.Fatalf("another task: %v, %v", done, err)
	}
}

// TestStart: handles are Celery's tuples, and what cannot be sent is an error before anything is sent.
func TestStart(t *testing.T) {
	w := newWorld()
	id, tuple, err := w.f.Start(context.Background(), Chain(Sig("a").Set(as("a")), Group(Sig("b").Set(as("b")), Sig("c").Set(as("c"))).Set(as("G")), Sig("d").Set(as("d"))))
	if want := `[["d", [["G", [["a", null], null]], [[["b", null], null], [["c", null], null]]]], null]`; err != nil || id != "d" || string(tuple) != want {
		t.Errorf("%s: %s, %v", id, tuple, err)
	}
	sent := len(w.sent)
	deep := Sig("a")
	for range Deepest {
		deep = Chord([]Signature{Sig("b")}, deep)
	}
	for name, s := range map[string]Signature{
		"no name": Sig(""), "an argument": Sig("a", func() {}), "in a header": Chord([]Signature{Sig("a", make(chan int))}, Sig("b")),
		"no steps": Chain(), "no body": {Task: taskChord, Kind: KindChord}, "a linked group": Group(Sig("a")).Link(Sig("b")),
		"too deep": deep, "chunks of none": Chunks(Sig("a"), [][]int{{1}}, 0), "a keyword": Group().Kw("a", 1), "a bad callback": Sig("a").Link(Sig("b", func() {})),
	} {
		if _, _, err := w.f.Start(context.Background(), s); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.f.Results = nil
	if _, _, err := w.f.Start(context.Background(), Chord([]Signature{Sig("a")}, Sig("b"))); !errors.Is(err, ErrSignature) {
		t.Errorf("without results: %v", err)
	}
	if len(w.sent) != sent {
		t.Errorf("%d were sent", len(w.sent)-sent)
	}
}

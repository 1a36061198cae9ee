package event

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"taskbench/brokers"
)

// A wire is a broker that keeps what was routed, and can be told to fail.
type wire struct {
	mu    sync.Mutex
	fail  error
	gate  chan struct{} // when not nil, each Route waits for a value
	keys  []string
	got   []map[string]any
	sizes []int // events in each message
	last  brokers.Message
}

func (w *wire) Route(ctx context.Context, e brokers.Exchange, key string, m brokers.Message) error {
	if w.gate != nil {
		select {
		case <-w.gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fail != nil {
		return w.fail
	}
	if e != (brokers.Exchange{Name: "celeryev", Kind: brokers.Topic, Durable: true}) {
		return fmt.Errorf("exchange %v", e)
	}
	list := []map[string]any{{}}
	var err error
	if m.Body[0] == '[' {
		err = json.Unmarshal(m.Body, &list)
	} else {
		err = json.Unmarshal(m.Body, &list[0])
	}
	if err != nil {
		return fmt.Errorf("%w: %s", err, m.Body)
	}
	w.keys, w.got, w.sizes, w.last = append(w.keys, key), append(w.got, list...), append(w.sizes, len(list)), m
	return nil
}

func (w *wire) set(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fail = err
}

func (w *wire) types() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var types []string
	for _, e := range w.got {
		types = append(types, e["type"].(string))
	}
	return types
}

func sender(o Options) *Sender {
	o.Hostname = "w1@lab"
	o.Log = slog.New(slog.DiscardHandler)
	return NewSender(o)
}

func status() Status {
	return Status{Active: 1, Processed: 42, Software: "py-celery", Version: "5.2.6", Load: [3]float64{2, 1.51, 1.17}}
}

// run publishes through the wire until the bubble's goroutines have nothing left to do.
func run(t *testing.T, s *Sender, w *wire) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx, w) }()
	synctest.Wait()
	return func() { cancel(); <-done }
}

// Every type of event must have the same fields, of the same JSON types, as real Celery's.
func TestFieldsAreThoseOfCelery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sender(Options{Status: status})
		s.Enable()
		task := Task{ID: "id", Name: "lab.add", Args: "(2, 3)", Kwargs: "{}", RootID: "id"}
		s.Sent(task, "celery", "", "celery")
		s.Received(task)
		s.Started("id")
		s.Succeeded("id", "5", 6886*time.Microsecond)
		s.Failed("id", "ValueError('boom')", "Traceback ...")
		s.Retried("id", "KeyError('k')", "Traceback ...")
		s.Rejected("id", false)
		s.Revoked("id", Revocation{Expired: true})
		w := &wire{}
		stop := run(t, s, w)
		s.Heartbeat()
		if err := s.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		stop()
		ours := map[string]map[string]any{}
		for _, e := range w.got {
			ours[e["type"].(string)] = e
		}
		for name, theirs := range captured(t) {
			if err := sameShape(ours[name], theirs); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			delete(ours, strings.TrimRight(name, "0123456789."))
		}
		if _, there := ours["worker-online"]; !there {
			t.Error("the worker never said that it is online")
		}
		delete(ours, "worker-online")
		if len(ours) > 0 {
			t.Errorf("no capture speaks of %v", slices.Collect(maps.Keys(ours)))
		}
		if w.last.Headers["hostname"] != "w1@lab" || !w.last.Transient || w.last.ContentType != "application/json" || w.last.ContentEncoding != "utf-8" {
			t.Errorf("properties: %+v", w.last)
		}
	})
}

// sameShape compares names and JSON types. Times and numbers differ; texts that the test gave must not.
func sameShape(ours, theirs map[string]any) error {
	if ours == nil {
		return errors.New("it was not sent")
	}
	var errs []error
	for name, want := range theirs {
		got, there := ours[name]
		if !there {
			errs = append(errs, fmt.Errorf("field %s is missing", name))
		} else if fmt.Sprintf("%T", got) != fmt.Sprintf("%T", want) {
			errs = append(errs, fmt.Errorf("field %s is %T, want %T", name, got, want))
		}
	}
	for name := range ours {
		if _, there := theirs[name]; !there {
			errs = append(errs, fmt.Errorf("field %s is not theirs", name))
		}
	}
	for _, name := range []string{"name", "args", "kwargs", "queue", "exchange", "routing_key", "exception", "result", "sw_ident", "sw_sys", "freq"} {
		if fmt.Sprint(ours[name]) != fmt.Sprint(theirs[name]) {
			errs = append(errs, fmt.Errorf("%s: got %v, want %v", name, ours[name], theirs[name]))
		}
	}
	return errors.Join(errs...)
}

func TestTaskEventsOnlyWhileEnabled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := sender(Options{}), &wire{}
		stop := run(t, s, w)
		defer stop()
		if s.Enabled() || s.Disable() {
			t.Error("it began enabled")
		}
		s.Started("1")
		s.Send("task-progress", Field{"uuid", "1"})
		s.Send("worker-custom")
		synctest.Wait()
		if !s.Enable() || s.Enable() {
			t.Error("Enable does not tell whether it changed anything")
		}
		s.Send("task-progress", Field{"uuid", "2"}, Field{"percent", 12.0}, Field{"odd", math.Inf(1)}, Field{"func", func() {}})
		synctest.Wait()
		s.Disable()
		s.Started("3")
		synctest.Wait()
		if got := w.types(); !slices.Equal(got, []string{"worker-custom", "task-progress"}) {
			t.Errorf("sent: %v", got)
		}
		if !slices.Equal(w.keys, []string{"worker.custom", "task.progress"}) {
			t.Errorf("keys: %v", w.keys)
		}
	})
}

func TestHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := sender(Options{Status: status}), &wire{}
		stop := run(t, s, w)
		time.Sleep(5 * time.Second) // of the bubble's time
		synctest.Wait()
		stop()
		stop = run(t, s, w) // another connection
		if err := s.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		stop()
		run(t, s, w)() // one that comes too late must not say that the worker is back
		_ = s.Stop(t.Context())
		want := []string{"worker-online", "worker-heartbeat", "worker-heartbeat", "worker-online", "worker-offline"}
		if got := w.types(); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		for _, want := range []string{`"freq": 2.0,`, `"loadavg": [2.0, 1.51, 1.17],`} { // floats to Python, too
			if !strings.Contains(string(w.last.Body), want) {
				t.Errorf("no %s in %s", want, w.last.Body)
			}
		}
		for i, e := range w.got {
			if e["clock"] != float64(i+1) {
				t.Errorf("event %d has clock %v", i, e["clock"])
			}
		}
	})
}

func TestKeptWhileDisconnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := sender(Options{Buffer: 3}), &wire{}
		s.Enable()
		for i := range 5 {
			s.Started(fmt.Sprint(i))
		}
		if s.Dropped() != 2 {
			t.Errorf("%d dropped, want 2", s.Dropped())
		}
		w.set(errors.New("broken pipe"))
		stop := run(t, s, w)
		s.Started("5") // in flight and kept must not be more than the bound together
		time.Sleep(time.Second)
		w.set(nil)
		time.Sleep(lastPause)
		synctest.Wait()
		stop()
		var ids []string
		for _, e := range w.got {
			ids = append(ids, e["uuid"].(string))
		}
		if want := []string{"3", "4", "5"}; !slices.Equal(ids, want) {
			t.Errorf("got %v, want the newest in order, %v; %d dropped", ids, want, s.Dropped())
		}
		if s.Dropped() != 3 {
			t.Errorf("%d dropped, want 3", s.Dropped())
		}
	})
}

// A broker that takes a minute for a publish must not be noticed by whoever sends.
func TestSendingNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := sender(Options{}), &wire{gate: make(chan struct{})}
		s.Enable()
		stop := run(t, s, w)
		began := time.Now()
		for i := range 1000 {
			s.Started(fmt.Sprint(i))
		}
		if time.Since(began) > 0 {
			t.Error("sending waited")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1000 are left") {
			t.Errorf("stop: %v", err)
		}
		close(w.gate)
		if err := s.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		stop()
		if len(w.got) != 1000 {
			t.Errorf("%d of 1000 came", len(w.got))
		}
		if most := slices.Max(w.sizes); most != batchEvents {
			t.Errorf("the largest batch had %d events", most)
		}
		if !slices.Contains(w.keys, "task.multi") {
			t.Errorf("keys: %v", w.keys)
		}
	})
}

func TestLongTexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := sender(Options{}), &wire{}
		s.Enable()
		for range 3 {
			s.Failed("1", "E()", strings.Repeat("é", 10<<20))
		}
		defer run(t, s, w)()
		if n := len(w.got[0]["traceback"].(string)); n > maxText+3 {
			t.Errorf("%d bytes of traceback", n)
		}
		for range 10 * maxBytes / maxText {
			s.mu.Lock()
			s.put(item{key: "task.x", body: make([]byte, maxText)})
			kept := s.bytes
			s.mu.Unlock()
			if kept > maxBytes {
				t.Fatalf("%d bytes are kept", kept)
			}
		}
		s.mu.Lock()
		for s.count > 0 {
			s.pop()
		}
		s.mu.Unlock()
	})
}

func TestWest(t *testing.T) {
	for zone, want := range map[string]int{"UTC": 0, "EST+5": 5, "CET-1": -1, "IST-5:30": -6} {
		east := map[string]int{"UTC": 0, "EST+5": -5 * 3600, "CET-1": 3600, "IST-5:30": 19800}[zone]
		if got := west(time.Now().In(time.FixedZone(zone, east))); got != want { // as time.timezone // 3600
			t.Errorf("%s: got %d, want %d", zone, got, want)
		}
	}
}

func BenchmarkSendOff(b *testing.B) {
	s := sender(Options{})
	b.ReportAllocs()
	for b.Loop() {
		s.Started("867c7c08-2022-47c1-9e16-4adc249e3410")
	}
}

type sink struct{}

func (sink) Route(context.Context, brokers.Exchange, string, brokers.Message) error { return nil }

func BenchmarkSendOn(b *testing.B) {
	s := sender(Options{})
	s.Enable()
	go s.Run(b.Context(), sink{})
	t := Task{ID: "867c7c08-2022-47c1-9e16-4adc249e3410", Name: "lab.add", Args: "(2, 3)", Kwargs: "{}", RootID: "867c7c08-2022-47c1-9e16-4adc249e3410"}
	b.Run("started", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s.Started(t.ID)
		}
	})
	b.Run("received", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s.Received(t)
		}
	})
}

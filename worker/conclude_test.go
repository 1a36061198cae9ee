package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"taskbench/brokers"
	"taskbench/worker/canvas"
	"taskbench/worker/message"
	"taskbench/worker/result"
)

func TestResults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, b := newFake(), newMoody()
		o := &witness{}
		expired := task("noop", "expired")
		expired.Headers["expires"] = message.FormatTime(time.Now().Add(-time.Minute).UTC())
		grouped := task("add", "grouped", 1)
		grouped.Headers["group"], grouped.Headers["parent_id"] = "g", "p"
		unwanted := task("add", "unwanted", 1)
		unwanted.Headers["ignore_result"] = true
		s.put(task("add", "add", 1, 2), task("fail", "fail"), task("nobody-knows-me", "unknown"), expired, task("tracked", "tracked"),
			task("secret", "secret"), task("ignore", "ignore"), task("retry", "retry", 1), grouped, unwanted, task("noop", "none"))
		w := beginWith(t, s, Config{Pool: "goroutine", Concurrency: 2, Name: "w@h"}, Options{Registry: ownTasks(), Results: b, Observer: o})
		pass(5 * time.Second)
		want := map[string]struct {
			states string
			value  string
			err    string
		}{
			"add":     {"[SUCCESS]", "3", ""},
			"none":    {"[SUCCESS]", "null", ""},
			"fail":    {"[FAILURE]", "", "as asked"},
			"unknown": {"[FAILURE]", "", "celery.exceptions.NotRegistered: nobody-knows-me"},
			"expired": {"[REVOKED]", "", "celery.exceptions.TaskRevokedError: expired"},
			"tracked": {"[STARTED SUCCESS]", `"x"`, ""},
			"retry":   {"[RETRY SUCCESS]", "null", ""},
			"grouped": {"[SUCCESS]", "1", ""},
			"secret":  {"[]", "", ""}, "ignore": {"[]", "", ""}, "unwanted": {"[]", "", ""},
		}
		for id, want := range want {
			r := b.record(t, id)
			x := text(r.Exception)
			if id == "fail" && x != "" {
				x = "as asked" // of a class that is not this test's business
			}
			if got := fmt.Sprint(b.states[id]); got != want.states || string(r.Value) != want.value || x != want.err {
				t.Errorf("task %s: %s %s %q, want %+v", id, got, r.Value, x, want)
			}
		}
		if r := b.record(t, "grouped"); r.GroupID != "g" || r.ParentID != "p" || r.Done.IsZero() {
			t.Errorf("grouped is %+v", r)
		}
		if got := kindNames(o.of("add")); got != "received started finished stored acked" {
			t.Errorf("events of a task with a result: %s", got)
		}
		if s.left() != 0 {
			t.Errorf("%d messages are left", s.left())
		}
		w.stop()
	})
}

// A backend that is down loses no result and blocks no other task, and the message waits unacknowledged.
func TestABackendThatIsDown(t *testing.T) {
	for _, acks := range []AckPolicy{Early, Late} {
		t.Run(string(acks), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, b := newFake(), newMoody()
				b.set(true)
				s.put(task("add", "kept", 1), task("secret", "free"))
				w := beginWith(t, s, Config{Pool: "solo", Acks: acks}, Options{Registry: ownTasks(), Results: b})
				pass(time.Minute)
				if got := w.Stats().Succeeded; got != 2 {
					t.Errorf("%d tasks were run, want 2: the one without a result waits for nobody", got)
				}
				if want := map[AckPolicy]int{Early: 0, Late: 1}[acks]; s.left() != want {
					t.Errorf("%d messages are left, want %d", s.left(), want)
				}
				s.dropAll() // and the connection goes, too
				pass(time.Minute)
				b.set(false)
				pass(time.Minute)
				if r := b.record(t, "kept"); r.State != result.Success {
					t.Errorf("state %s", r.State)
				}
				if s.left() != 0 || w.Stats().Succeeded != 2 {
					t.Errorf("%d messages are left, %d tasks were run", s.left(), w.Stats().Succeeded)
				}
			})
		})
	}
}

// A stop does not wait for ever for a backend that does not come back: the message goes back.
func TestAStopWithABackendThatIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, b := newFake(), newMoody()
		b.set(true)
		s.put(task("add", "kept", 1))
		w := beginWith(t, s, Config{Pool: "solo"}, Options{Registry: ownTasks(), Results: b})
		pass(time.Minute)
		began := time.Now()
		w.stop()
		if took := time.Since(began); took > time.Minute {
			t.Errorf("the stop took %v", took)
		}
		if len(s.ready) != 1 {
			t.Errorf("%d messages went back, want 1", len(s.ready))
		}
	})
}

// A backend that will never take a result is not asked for an hour: whoever waits for it hears why, and the chord, too.
func TestAResultThatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, b := newFake(), newMoody()
		b.setMost(1000)
		r := ownTasks()
		r.Add("verbose", func(context.Context, *Request) (any, error) { return strings.Repeat("x", 2000), nil })
		r.Add("complaining", func(context.Context, *Request) (any, error) { return nil, errors.New(strings.Repeat("y", 2000)) })
		s.put(task("verbose", "large"), task("complaining", "loud"), task("add", "small", 1))
		w := beginWith(t, s, Config{Pool: "solo"}, Options{Registry: r, Results: b})
		synctest.Wait()
		for id, want := range map[string]string{"large": "BackendStoreError: ", "loud": "BackendStoreError: Exception: "} {
			if r := b.record(t, id); r.State != result.Failure || !strings.HasPrefix(r.Exception.Error(), "celery.exceptions."+want) {
				t.Errorf("%s: state %s, exception %v", id, r.State, r.Exception)
			}
		}
		if r := b.record(t, "small"); r.State != result.Success || s.left() != 0 {
			t.Errorf("state %s, %d messages are left", r.State, s.left())
		}
		b.setMost(1)
		s.put(task("complaining", "mute"))
		synctest.Wait()
		if r := b.record(t, "mute"); r.State != result.Pending || s.left() != 0 {
			t.Errorf("state %s, %d messages are left", r.State, s.left())
		}
		if st := w.Stats(); st.Failed != 3 {
			t.Errorf("%d failed, want 3", st.Failed)
		}
		w.stop()
	})
}

// What a task was called with may be what is too large. Whoever waits hears of its end without.
func TestAnEndThatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, b := newFake(), newMoody()
		b.setMost(1000)
		late := task("add", "late", strings.Repeat("x", 2000))
		late.Headers["expires"] = time.Now().Add(-time.Minute).Format(time.RFC3339)
		s.put(task("add", "failed", strings.Repeat("x", 2000)), late)
		w := beginWith(t, s, Config{Pool: "solo", ResultExtended: true}, Options{Registry: ownTasks(), Results: b})
		synctest.Wait()
		for id, want := range map[string]result.State{"failed": result.Failure, "late": result.Revoked} {
			if r := b.record(t, id); r.State != want || !strings.Contains(text(r.Exception), "1000 are taken") {
				t.Errorf("%s: state %s, exception %v", id, r.State, r.Exception)
			}
		}
		if s.left() != 0 {
			t.Errorf("%d messages are left", s.left())
		}
		w.stop()
	})
}

// What was stored as a success by a worker that died before it could acknowledge is not run again.
func TestAStoredSuccessIsNotRunAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, b := newFake(), newMoody()
		for _, id := range []string{"done", "failed", "new"} {
			s.ready = append(s.ready, fakeItem{m: task("add", id, 1), redelivered: true})
		}
		_ = b.Results.Store(t.Context(), result.Record{TaskID: "done", State: result.Success, Value: json.RawMessage("1")})
		_ = b.Results.Store(t.Context(), result.Record{TaskID: "failed", State: result.Failure, Exception: result.NewException("m", "X")})
		o := &witness{}
		w := beginWith(t, s, Config{Pool: "solo"}, Options{Registry: ownTasks(), Results: b, Observer: o})
		synctest.Wait()
		if n := o.count(Started, 0); n != 2 || w.Stats().Deduplicated != 1 || s.left() != 0 {
			t.Errorf("%d were run, want 2; stats %+v; %d left", n, w.Stats(), s.left())
		}
	})
}

func TestRejectAndIgnore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		o := newClockWitness()
		s.put(task("refuse", "dead", false), task("ignore", "ignored"))
		begin := beginWith(t, s, Config{Pool: "goroutine", Concurrency: 2}, Options{Registry: ownTasks(), Observer: o})
		synctest.Wait()
		if ids := s.deadIDs(); len(ids) != 1 || ids[0] != "dead" {
			t.Errorf("kept aside: %q", ids)
		}
		s.put(task("refuse", "again", true))
		pass(time.Minute)
		if s.left() != 0 || len(s.deadIDs()) != 1 {
			t.Errorf("%d left, kept aside %q", s.left(), s.deadIDs())
		}
		if at := o.starts()["again"]; at < requeueDelay {
			t.Errorf("it was run again after %v; it would spin", at)
		}
		begin.stop()
	})
}

// Chains, chords that a task sends, and replacements, through one worker.
func TestWorkflows(t *testing.T) {
	for _, pool := range []string{"goroutine", "prefork"} {
		t.Run(pool, func(t *testing.T) {
			s, b := newFake(), newMoody()
			f := &canvas.Follower{Publisher: putter{s}, Results: b}
			w := beginWith(t, s, Config{Pool: pool, Concurrency: 2}, Options{Registry: ownTasks(), Results: b})
			wait := func(id string) string {
				t.Helper()
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				r, err := b.Wait(ctx, id)
				if err != nil {
					t.Fatalf("wait for %s: %v", id, err)
				}
				return string(r.Value) + text(r.Exception)
			}
			if pool == "goroutine" { // tasks of this test's own are not known to children
				for name, c := range map[string]struct {
					s    canvas.Signature
					want string
				}{
					"chain":    {canvas.Chain(canvas.Sig("add", 1, 2), canvas.Sig("add", 10)), "13"},
					"chord":    {canvas.Chord([]canvas.Signature{canvas.Sig("add", 1), canvas.Sig("add", 2)}, canvas.Sig("total")), "3"},
					"replaced": {canvas.Chain(canvas.Sig("replaced"), canvas.Sig("add", 1)), "43"},
					"map":      {canvas.Map(canvas.Sig("total"), [][]int{{1, 2}, {3}}), "[3,3]"},
				} {
					id, _, err := f.Start(t.Context(), c.s)
					if err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					if got := wait(id); got != c.want {
						t.Errorf("%s: %s, want %s", name, got, c.want)
					}
				}
				s.put(task("spawn", "spawner"))
				var id string
				_ = json.Unmarshal([]byte(wait("spawner")), &id)
				if got := wait(id); got != "10" {
					t.Errorf("the chord that a task sent: %s", got)
				}
				if n := len(b.record(t, "spawner").Children); n != 1 {
					t.Errorf("the task has %d children, want 1", n)
				}
			}
			id, _, err := f.Start(t.Context(), canvas.Chain(canvas.Sig("noop"), canvas.Sig("noop").SI(), canvas.Sig("fail").SI(), canvas.Sig("noop").SI()))
			if err != nil {
				t.Fatal(err)
			}
			if got := wait(id); got == "null" {
				t.Errorf("the end of a chain whose third step fails is %s", got)
			}
			eventually(t, "all is acknowledged", func() bool { return s.left() == 0 })
			w.stop()
		})
	}
}

// putter publishes without a connection.
type putter struct{ *fakeServer }

func (p putter) Publish(_ context.Context, m brokers.Message) error { p.put(m); return nil }

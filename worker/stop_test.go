package worker

import (
	"fmt"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

func TestWarmStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		for i := range 10 {
			s.put(task("wait", fmt.Sprint(i), 5000))
		}
		o := &witness{}
		w := begin(t, s, Config{Pool: "goroutine", Concurrency: 2, Prefetch: 6}, o)
		pass(time.Second)
		began := time.Now()
		w.stop()
		if took := time.Since(began); took != 4*time.Second {
			t.Errorf("the stop took %v; the running tasks needed 4 s", took)
		}
		if st := w.Stats(); st.Succeeded != 2 || st.Started != 2 || s.left() != 8 || len(s.conns) != 0 {
			t.Errorf("%d left, %d connections, %+v", s.left(), len(s.conns), st)
		}
		if n := o.count(Returned, 0); n != 4 {
			t.Errorf("%d were returned, want the 4 that were received and had not started", n)
		}
	})
}

// What is given back while the broker still delivers would come again, and again.
func TestStopGivesBackOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		s.linger = 500 * time.Millisecond
		for i := range 5 {
			s.put(task("wait", fmt.Sprint(i), 5000))
		}
		o := &witness{}
		w := begin(t, s, Config{Pool: "goroutine", Concurrency: 1, Prefetch: 5}, o)
		pass(time.Second)
		w.stop()
		if n, in := o.count(Returned, 0), o.count(Received, 0); n != 4 || in != 5 || s.left() != 4 {
			t.Errorf("%d were returned of %d deliveries, %d are left, want 4 of 5 and 4", n, in, s.left())
		}
	})
}

// A broker that goes on to deliver holds a stop up once, and not for each message.
func TestStopIsNotHeldUpByEachMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		s.linger = time.Minute
		for i := range 50 {
			m := task("add", fmt.Sprint(i), 1)
			m.Headers["eta"] = time.Now().Add(time.Hour).Format(time.RFC3339)
			s.put(m)
		}
		w := begin(t, s, Config{Pool: "goroutine", Concurrency: 1, Prefetch: 50, Grace: time.Second}, &witness{})
		pass(time.Second)
		began := time.Now()
		w.Stop(Cold)
		w.stop()
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("the stop took %v", took)
		}
	})
}

func TestStopWhoseGraceIsOver(t *testing.T) {
	for _, c := range []struct{ task, events string }{
		{"wait", "received started finished returned"}, // heeds its context
		{"deaf", "received started returned"},
	} {
		t.Run(c.task, func(t *testing.T) {
			s := newFake()
			s.put(task(c.task, "id", 60_000))
			o := &witness{}
			w := begin(t, s, Config{Pool: "goroutine", Concurrency: 1, Grace: time.Millisecond}, o)
			eventually(t, "the task runs", func() bool { return o.count(Started, 0) == 1 })
			w.stop()
			if got := kindNames(o.of("id")); got != c.events {
				t.Errorf("events: %s, want %s", got, c.events)
			}
			if len(s.ready) != 1 {
				t.Errorf("%d messages are ready, want the one given back", len(s.ready))
			}
		})
	}
}

func TestStopKillsChildrenThatDoNotHeed(t *testing.T) {
	for _, c := range []struct {
		task   string
		notice bool
	}{{"wait", true}, {"burn", false}} {
		t.Run(c.task, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "diary")
			t.Setenv(diaryEnv, path)
			s := newFake()
			s.put(task(c.task, "id", 60_000))
			o := openDiary(path)
			w := begin(t, s, Config{Pool: "prefork", Concurrency: 1, Grace: time.Millisecond}, o)
			eventually(t, "the task runs", func() bool {
				notes := readDiary(t, path)
				return len(notes) > 0 && notes[len(notes)-1].Kind == Started
			})
			children := w.Stats().Children
			began := time.Now()
			w.stop()
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("the stop took %v", took)
			}
			for _, pid := range children {
				if running(pid) {
					t.Errorf("child %d still runs", pid)
				}
			}
			var last, process = "", 0
			for _, n := range readDiary(t, path) {
				if n.Kind == Finished {
					last, process = fmt.Sprint(n.Outcome), n.Process
				}
			}
			if last != fmt.Sprint(Killed) || (process == children[0]) != c.notice {
				t.Errorf("finished with outcome %s, seen by process %d; the child is %d", last, process, children[0])
			}
			if len(s.ready) != 1 || s.ready[0].m.Headers[deathsHeader] != nil {
				t.Errorf("the message did not come back as it was: %+v", s.ready)
			}
		})
	}
}

func TestStopWithoutAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		began := time.Now()
		s.fail = func(step string, _ bool) bool { return step == "open" && time.Since(began) >= time.Second }
		s.put(task("wait", "id", 3000))
		o := &witness{}
		w := begin(t, s, Config{Pool: "goroutine", Concurrency: 1}, o)
		pass(time.Second)
		s.dropAll()
		pass(time.Second)
		w.stop()
		if o.count(Finished, OK) != 1 {
			t.Error("the stop did not wait for the running task")
		}
	})
}

package beat

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"taskbench/brokers"
	"taskbench/worker/beat/schedule"
)

func every(name string, period time.Duration, policy schedule.CatchUp) Entry {
	return Entry{Name: name, Task: "lab." + name, Schedule: schedule.Every(period), CatchUp: CatchUp{Policy: policy}}
}

func cron(t *testing.T, name, line string, policy schedule.CatchUp) Entry {
	t.Helper()
	s, err := schedule.Parse(line)
	if err != nil {
		t.Fatal(err)
	}
	return Entry{Name: name, Task: "lab." + name, Schedule: s, CatchUp: CatchUp{Policy: policy}}
}

func same(t *testing.T, fs []firing, want ...string) {
	t.Helper()
	if got := clocks(fs); !slices.Equal(got, want) {
		t.Errorf("fired %q, want %q", got, want)
	}
}

// The bubble's time starts at a full minute, and what is due is fired in the very moment: nothing accumulates.
func TestTicksAreOnTheirGrid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b fakeBroker
		b.fail = func(int) (bool, error) { time.Sleep(3 * time.Millisecond); return true, nil } // each takes its time
		_, stop := life(t, Config{Open: b.open, Store: newStore(every("a", time.Second, ""), every("b", 1500*time.Millisecond, ""), cron(t, "c", "*/2 * * * *", ""))})
		pass(time.Hour)
		stop()
		counts := map[string]int{}
		for _, f := range b.all() {
			counts[f.Entry]++
			if late := f.At.Sub(f.Scheduled); late < 0 || late > 10*time.Millisecond {
				t.Fatalf("%s of %s was fired %s late", f.Entry, f.Scheduled, late)
			}
		}
		if counts["a"] != 3599 && counts["a"] != 3600 || counts["b"] != 2399 && counts["b"] != 2400 || counts["c"] != 29 && counts["c"] != 30 {
			t.Errorf("fired %v in an hour", counts)
		}
		once(t, b.all())
	})
}

// A connection that takes its time is opened before the first tick is due.
func TestConnectedBeforeTheFirstTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b fakeBroker
		opened := 0
		open := func(ctx context.Context) (brokers.Broker, error) {
			select {
			case <-time.After(700 * time.Millisecond):
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			if opened++; opened == 1 {
				return nil, errDown // it comes up while nothing is due
			}
			return b.open(ctx)
		}
		_, stop := life(t, Config{Open: open, Store: newStore(every("a", time.Minute, ""))})
		pass(3*time.Minute + time.Second)
		stop()
		all := b.all()
		if len(all) != 3 || opened != 2 {
			t.Fatalf("%d ticks by %d connections", len(all), opened)
		}
		for _, f := range all {
			if late := f.At.Sub(f.Scheduled); late > 10*time.Millisecond {
				t.Errorf("the tick of %s was %s late", f.Scheduled, late)
			}
		}
	})
}

// What is due while the broker is away is made up by the policies, in order; a tick that was tried is never lost.
func TestBrokerOutage(t *testing.T) {
	for _, c := range []struct {
		policy schedule.CatchUp
		change func(*Entry)
		want   []string
	}{
		{schedule.All, nil, []string{"e 00:10", "e 00:20", "e 00:30", "e 00:40", "e 00:50", "e 01:00", "e 01:10", "e 01:20"}},
		{schedule.Once, nil, []string{"e 00:10", "e 01:00", "e 01:10", "e 01:20"}},
		{schedule.Skip, nil, []string{"e 00:10", "e 00:20", "e 01:00", "e 01:10", "e 01:20"}},
		{schedule.All, func(e *Entry) { e.CatchUp.Limit = 2 }, []string{"e 00:10", "e 00:50", "e 01:00", "e 01:10", "e 01:20"}},
		{schedule.All, func(e *Entry) { e.CatchUp.Deadline = 25 * time.Second }, []string{"e 00:10", "e 00:40", "e 00:50", "e 01:00", "e 01:10", "e 01:20"}},
		{schedule.Skip, func(e *Entry) { e.CatchUp.Deadline = 25 * time.Second }, []string{"e 00:10", "e 00:40", "e 01:00", "e 01:10", "e 01:20"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			var b fakeBroker
			began := time.Now()
			b.fail = func(int) (bool, error) {
				if at := time.Since(began); at > 15*time.Second && at < 62*time.Second {
					return false, brokers.Refuse(errDown)
				}
				return true, nil
			}
			e := every("e", 10*time.Second, c.policy)
			if c.change != nil {
				c.change(&e)
			}
			r, stop := life(t, Config{Open: b.open, Store: newStore(e)})
			pass(85 * time.Second)
			stop()
			same(t, b.all(), c.want...)
			if b.opens < 3 {
				t.Errorf("%d connections: it does not come back to a broker that was started anew", b.opens)
			}
			if s := r.Stats(); int(s.Sent) != len(c.want) || int(s.Sent+s.Missed) != 8 {
				t.Errorf("counts %+v, want %d sent and the rest of 8 missed", s, len(c.want))
			}
		})
	}
}

// One message that the broker refuses does not hold up the others.
func TestOneBadMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b fakeBroker
		bad := func(n int) (bool, error) { return n%2 == 0, nil }
		b.fail = func(n int) (bool, error) {
			if stored, _ := bad(n); !stored {
				return false, brokers.Refuse(errDown)
			}
			return true, nil
		}
		_, stop := life(t, Config{Open: b.open, Store: newStore(every("a", 10*time.Second, ""), every("b", 10*time.Second, ""))})
		pass(2 * time.Minute)
		stop()
		if n := len(b.all()); n < 22 || n > 24 {
			t.Errorf("%d ticks of 24 were fired", n)
		}
		once(t, b.all())
	})
}

// Without a clear answer the tick is sent again, as the same message.
func TestUnknownOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b fakeBroker
		b.fail = func(n int) (bool, error) {
			if n == 2 {
				return true, errDown
			}
			return true, nil
		}
		_, stop := life(t, Config{Open: b.open, Store: newStore(every("e", 10*time.Second, ""))})
		pass(35 * time.Second)
		stop()
		got := b.all()
		same(t, got, "e 00:10", "e 00:20", "e 00:20", "e 00:30")
		if got[1].ID != got[2].ID || got[0].ID == got[1].ID {
			t.Errorf("ids %v", got)
		}
	})
}

// A beat that was not there makes up for it, on the old grid.
func TestDowntime(t *testing.T) {
	for policy, want := range map[schedule.CatchUp][]string{
		schedule.All:  {"e 00:10", "e 00:20", "e 00:30", "e 00:40", "e 00:50", "e 01:00"},
		schedule.Once: {"e 00:10", "e 00:20", "e 00:50", "e 01:00"},
		schedule.Skip: {"e 00:10", "e 00:20", "e 00:50", "e 01:00"}, // the one of 00:50 is in time at 00:55
	} {
		synctest.Test(t, func(t *testing.T) {
			var b fakeBroker
			c := Config{Open: b.open, Store: newStore(every("e", 10*time.Second, policy))}
			_, stop := life(t, c)
			pass(25 * time.Second)
			stop()
			pass(30 * time.Second)
			_, stop = life(t, c)
			pass(10 * time.Second)
			stop()
			same(t, b.all(), want...)
		})
	}
}

// The phase of an interval outlives a beat that never fired it.
func TestNewEntriesAreWrittenDownAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b fakeBroker
		c := Config{Open: b.open, Store: newStore(every("e", time.Minute, ""))}
		for range 4 {
			_, stop := life(t, c)
			pass(16 * time.Second)
			stop()
		}
		same(t, b.all(), "e 01:00")
	})
}

func TestScheduleChangesWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b fakeBroker
		s := newStore(every("a", 10*time.Second, ""), every("b", 10*time.Second, ""))
		r, stop := life(t, Config{Open: b.open, Store: s})
		pass(11 * time.Second)
		off := every("b", 10*time.Second, "")
		off.Disabled = true
		s.set(every("a", 15*time.Second, ""), off, every("c", 20*time.Second, ""))
		pass(30 * time.Second)
		if n := r.Stats().Entries; n != 2 {
			t.Errorf("%d entries, want 2", n)
		}
		s.set(every("b", 10*time.Second, ""))
		pass(20 * time.Second)
		stop()
		same(t, b.all(), "a 00:10", "b 00:10", "a 00:25", "c 00:35", "a 00:40", "b 00:55")
		if m := s.mark("a"); !m.Forgotten() {
			t.Errorf("what is gone is remembered as %+v", m)
		}
	})
}

func TestOneOffStartAndUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b fakeBroker
		now := time.Now()
		clocked := Entry{Name: "clocked", Task: "x", Schedule: schedule.Clocked{At: now.Add(-time.Minute)}, OneOff: true}
		single := every("single", 7*time.Second, "")
		single.OneOff = true
		later := every("later", 10*time.Second, "")
		later.Start = now.Add(25 * time.Second)
		ends := every("ends", 10*time.Second, "")
		ends.Until = now.Add(20 * time.Second)
		s := newStore(clocked, single, later, ends)
		for range 2 {
			_, stop := life(t, Config{Open: b.open, Store: s})
			pass(18 * time.Second)
			stop()
		}
		same(t, b.all(), "clocked 59:00", "single 00:07", "ends 00:10", "ends 00:20", "later 00:25", "later 00:35")
		for name, done := range map[string]bool{"clocked": true, "single": true, "ends": true, "later": false} {
			if m := s.mark(name); m.Done != done {
				t.Errorf("%s: done is %v", name, m.Done)
			}
		}
	})
}

// A store that cannot be written to is told once, and costs nothing but the memory of it.
func TestStoreThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b fakeBroker
		var log strings.Builder
		s := newStore(every("e", 2*time.Second, ""))
		_, stop := life(t, Config{Open: b.open, Store: s, Log: slog.New(slog.NewTextHandler(&log, nil))})
		pass(5 * time.Second)
		s.mu.Lock()
		s.fail = errDown
		s.mu.Unlock()
		pass(20 * time.Second)
		s.mu.Lock()
		s.fail = nil
		s.mu.Unlock()
		pass(1500 * time.Millisecond)
		if m := s.mark("e"); m.Runs != 13 {
			t.Errorf("after the failure it is written that %d ran, want 13", m.Runs)
		}
		stop()
		if n := len(b.all()); n != 13 {
			t.Errorf("%d ticks were fired, want 13", n)
		}
		if n := strings.Count(log.String(), "going on in memory"); n != 1 {
			t.Errorf("told %d times:\n%s", n, log.String())
		}
	})
}

func TestMessages(t *testing.T) {
	e := Entry{Name: "n", Task: "lab.add", Args: []any{1, 2}, Kwargs: map[string]any{"k": "v"},
		Options: Options{Queue: "q", Priority: 3, Expires: 30 * time.Second, Headers: map[string]any{"x": "y"}}}
	tick := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	m, err := e.message(tick, tick)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{
		"task": "lab.add", "id": m.CorrelationID, ScheduledHeader: "2026-01-02T02:04:05+00:00", NameHeader: "n", "x": "y",
		"expires": "2026-01-02T02:04:35+00:00",
	} {
		if m.Headers[key] != want {
			t.Errorf("header %s is %v, want %v", key, m.Headers[key], want)
		}
	}
	if m.Queue != "q" || m.Priority != 3 || !strings.HasPrefix(string(m.Body), `[[1, 2], {"k":"v"}`) {
		t.Errorf("message %+v, body %s", m, m.Body)
	}
	if len(e.Options.Headers) != 1 {
		t.Error("the entry's own headers were changed")
	}
	if id := TickID("n", tick.UTC()); id != m.CorrelationID || id[14] != '5' || id == TickID("n", tick.Add(1)) || id == TickID("m", tick) {
		t.Errorf("id %s", id)
	}
}

func TestConfigsThatAreNone(t *testing.T) {
	if _, err := New(Config{Lease: 1, CatchUp: CatchUp{Policy: "twice", Limit: -1}}); err == nil || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("want four mistakes: %v", err)
	}
}

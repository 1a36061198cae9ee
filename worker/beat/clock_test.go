package beat

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"taskbench/worker/beat/schedule"
)

const seeds = 20

func TestClockPutForward(t *testing.T) {
	for policy, want := range map[schedule.CatchUp]int{schedule.All: 60, schedule.Once: 1, schedule.Skip: 0} {
		synctest.Test(t, func(t *testing.T) {
			var b fakeBroker
			clock := newClock()
			e := cron(t, "e", "* * * * *", policy)
			e.CatchUp.Limit = 1000
			_, stop := life(t, Config{Open: b.open, Store: newStore(e), Clock: clock.now, Grace: time.Second})
			pass(90 * time.Second)
			clock.put(time.Hour)
			pass(10 * time.Second)
			if n := len(b.all()) - 1; n != want {
				t.Errorf("%s: the hour that was skipped had %d ticks, want %d", policy, n, want)
			}
			stop()
		})
	}
}

func TestClockPutBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b fakeBroker
		clock := newClock()
		_, stop := life(t, Config{Open: b.open, Store: newStore(cron(t, "cron", "* * * * *", schedule.All), every("each", 10*time.Second, schedule.All)), Clock: clock.now})
		pass(90 * time.Second)
		before := len(b.all())
		clock.put(-time.Hour)
		pass(59 * time.Minute)
		silent, ticking := 0, 0
		for _, f := range b.all()[before:] {
			if f.Entry == "cron" {
				silent++
			} else {
				ticking++
			}
		}
		if silent != 0 {
			t.Errorf("%d minutes were fired again", silent)
		}
		if ticking < 353 || ticking > 355 {
			t.Errorf("the interval ticked %d times in 59 minutes, want 354", ticking)
		}
		pass(3 * time.Minute)
		stop()
		once(t, b.all())
	})
}

// Whatever is done to the clock: nothing is fired twice, what was shown is fired, and intervals keep their pace.
func TestClockProperty(t *testing.T) {
	looked := 0
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { looked += clockProperty(t, seed) })
		})
	}
	if looked < 20*seeds {
		t.Errorf("only %d minutes were looked at", looked)
	}
}

func clockProperty(t *testing.T, seed uint64) (looked int) {
	rng := rand.New(rand.NewPCG(seed, 1))
	var b fakeBroker
	clock := newClock()
	entries := []Entry{
		cron(t, "all", "* * * * *", schedule.All), cron(t, "once", "* * * * *", schedule.Once), cron(t, "skip", "* * * * *", schedule.Skip),
		every("pace", 7*time.Second, schedule.Once),
	}
	entries[0].CatchUp.Limit = 1e6
	_, stop := life(t, Config{Open: b.open, Store: newStore(entries...), Clock: clock.now})
	synctest.Wait()
	first, _ := clock.now()
	high := first // up to here the minutes are dealt with
	shown := map[time.Time]bool{}
	for range 40 {
		from, _ := clock.now()
		pass(3*time.Second + time.Duration(rng.Int64N(int64(4*time.Minute))))
		to, _ := clock.now()
		if high.Before(from) {
			high = from
		}
		for m := high.Truncate(time.Minute).Add(time.Minute); !m.After(to.Add(-2 * time.Second)); m = m.Add(time.Minute) {
			shown[m] = true
		}
		if high.Before(to) {
			high = to
		}
		by := time.Duration(rng.Int64N(int64(10*time.Minute))) - 4*time.Minute
		if rng.IntN(4) == 0 {
			by = time.Duration(1-2*rng.IntN(2)) * time.Hour
		}
		clock.put(by)
	}
	pass(2 * time.Minute)
	stop()
	fs := b.all()
	once(t, fs)
	fired := map[string]map[time.Time]bool{}
	var last time.Time
	for _, f := range fs {
		if fired[f.Entry] == nil {
			fired[f.Entry] = map[time.Time]bool{}
		}
		fired[f.Entry][f.Scheduled] = true
		if f.Entry == "pace" {
			if gap := f.At.Sub(last); !last.IsZero() && gap > 15*time.Second {
				t.Errorf("the interval of 7 s was silent for %s up to %s", gap, f.At)
			}
			last = f.At
		}
	}
	for m := range shown {
		for _, name := range []string{"all", "once", "skip"} {
			if !fired[name][m.UTC()] {
				t.Errorf("%s: %s was shown and not fired", name, m)
			}
		}
	}
	for m := first.Truncate(time.Minute).Add(time.Minute); m.Before(high); m = m.Add(time.Minute) {
		if !fired["all"][m.UTC()] {
			t.Errorf("all: %s was not made up", m)
		}
	}
	return len(shown)
}

// A clock that was put back while no beat ran does not silence an interval.
func TestClockPutBackBetweenTwoLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b fakeBroker
		clock := newClock()
		c := Config{Open: b.open, Store: newStore(every("e", 10*time.Second, "")), Clock: clock.now}
		_, stop := life(t, c)
		pass(25 * time.Second)
		stop()
		clock.put(-time.Hour)
		_, stop = life(t, c)
		pass(25 * time.Second)
		stop()
		if n := len(b.all()); n != 4 {
			t.Errorf("%d ticks, want 4: %q", n, clocks(b.all()))
		}
		once(t, b.all())
	})
}

package schedule

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// randomField makes a text that is valid for the field.
func randomField(rng *rand.Rand, f field) string {
	n := func() int { return f.min + rng.IntN(f.max-f.min+1) }
	switch rng.IntN(5) {
	case 0:
		return "*"
	case 1:
		return fmt.Sprintf("*/%d", 1+rng.IntN(f.max))
	case 2:
		return fmt.Sprintf("%d-%d", n(), n())
	case 3:
		return fmt.Sprintf("%d-%d/%d,%d", n(), n(), 1+rng.IntN(5), n())
	}
	return fmt.Sprintf("%d", n())
}

// randomCrontab makes one that ticks on most days, so that a few days around a clock change have ticks.
func randomCrontab(rng *rand.Rand, loc *time.Location) Crontab {
	c := Crontab{Minute: randomField(rng, minuteField), Hour: randomField(rng, hourField), Location: loc}
	switch rng.IntN(6) {
	case 0:
		c.Hour = fmt.Sprintf("%d", rng.IntN(4)) // when most clocks are changed
	case 1:
		c.DayOfMonth = randomField(rng, dayOfMonthField)
	case 2:
		c.DayOfWeek = randomField(rng, dayOfWeekField)
	}
	return c
}

// slowTicks lists the ticks in [from, to) by looking at the clock every minute of the way, with nothing known of
// offsets: a minute not seen before that matches is a tick, and so is each minute that the clock jumps over, as
// much later as it is after the first one jumped over. The clock must not change within a day of from.
func slowTicks(t *testing.T, c Crontab, from, to time.Time) []int64 {
	t.Helper()
	p, err := c.pattern()
	if err != nil {
		t.Fatal(err)
	}
	var ticks []int64
	expected := shown(from, c.Location)
	for now := from; now.Before(to); now = now.Add(time.Minute) {
		clock := shown(now, c.Location)
		for first := expected; !expected.After(clock); expected = expected.Add(time.Minute) {
			tick := now
			if expected.Before(clock) {
				tick = now.Add(expected.Sub(first))
			}
			if p.matches(expected) {
				ticks = append(ticks, tick.Unix())
			}
		}
	}
	slices.Sort(ticks)
	ticks = slices.Compact(ticks)
	for len(ticks) > 0 && ticks[len(ticks)-1] >= to.Unix() {
		ticks = ticks[:len(ticks)-1]
	}
	return ticks
}

func (p *pattern) matches(t time.Time) bool {
	return p.minute.has(t.Minute()) && p.hour.has(t.Hour()) && p.dayOfMonth.has(t.Day()) &&
		p.month.has(int(t.Month())) && p.dayOfWeek.has(int(t.Weekday()))
}

// shown is what the clock shows, as a time in UTC that can be compared.
func shown(t time.Time, loc *time.Location) time.Time {
	t = t.In(loc)
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), 0, 0, time.UTC)
}

// changes returns the clock changes of a location in some years.
func changes(loc *time.Location, from, to int) (out []time.Time) {
	last := time.Date(to, 1, 1, 0, 0, 0, 0, time.UTC)
	for t := time.Date(from, 1, 1, 0, 0, 0, 0, time.UTC); t.Before(last); {
		_, next := t.In(loc).ZoneBounds()
		if next.IsZero() || !next.Before(last) {
			break
		}
		t = next
		out = append(out, t)
	}
	return out
}

func TestNextFindsWhatASlowLookFinds(t *testing.T) {
	const seed = 17
	rng := rand.New(rand.NewPCG(seed, 0))
	ticks := 0
	for _, name := range []string{"America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia", "America/Havana",
		"Africa/Cairo", "America/Sao_Paulo", "Antarctica/Troll", "America/Caracas", "Pacific/Kwajalein", "Asia/Pyongyang"} {
		loc := zone(t, name)
		all := changes(loc, 1990, 2030)
		for range 40 {
			around := all[rng.IntN(len(all))]
			from, to := around.Add(-36*time.Hour), around.Add(60*time.Hour)
			c := randomCrontab(rng, loc)
			want := slowTicks(t, c, from, to)
			ticks += len(want)
			checkNext(t, rng, c, from, to, want)
			if t.Failed() {
				t.Fatalf("seed %d, around %s", seed, around.In(loc))
			}
		}
	}
	if ticks < 10_000 {
		t.Errorf("only %d ticks were compared", ticks)
	}
}

// checkNext holds Next against the list of all ticks in [from, to): walking, and from random times.
func checkNext(t *testing.T, rng *rand.Rand, c Crontab, from, to time.Time, want []int64) {
	t.Helper()
	got, err := Missed(c, from.Add(-time.Second), to.Add(-time.Second), len(want)+1)
	if err != nil {
		t.Fatal(err)
	}
	for i := range max(len(got), len(want)) {
		if i == len(got) || i == len(want) || got[i].Unix() != want[i] {
			t.Errorf("%s from %s: tick %d differs: got %v, want %v since 1970", c, from, i, got[i:min(i+1, len(got))], want[i:min(i+1, len(want))])
			return
		}
	}
	for range 20 {
		after := from.Add(time.Duration(rng.Int64N(int64(to.Sub(from)))))
		i, _ := slices.BinarySearch(want, after.Unix()+1)
		next, err := c.Next(after)
		if err != nil {
			t.Fatal(err)
		}
		if i < len(want) && next.Unix() != want[i] || i == len(want) && next.Before(to) {
			t.Errorf("%s after %s is %s", c, after.In(c.Location), next)
		}
		latest, found, err := Latest(c, from.Add(-time.Second), after)
		if err != nil {
			t.Fatal(err)
		}
		if found != (i > 0) || found && latest.Unix() != want[i-1] {
			t.Errorf("the last tick of %s up to %s is %s, %v", c, after.In(c.Location), latest, found)
		}
	}
}

func TestNextKeepsItsPromises(t *testing.T) {
	const seed = 18
	rng := rand.New(rand.NewPCG(seed, 0))
	zones := []string{"UTC", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu"}
	for range 3000 {
		c := Crontab{randomField(rng, minuteField), randomField(rng, hourField), randomField(rng, dayOfWeekField),
			randomField(rng, dayOfMonthField), randomField(rng, monthField), zone(t, zones[rng.IntN(len(zones))])}
		if c.Validate() != nil {
			continue
		}
		a := time.Unix(rng.Int64N(3e9), rng.Int64N(1e9))
		b := a.Add(time.Duration(rng.Int64N(int64(100 * time.Hour))))
		for _, s := range []Schedule{c, Every(time.Duration(1 + rng.Int64N(1e15))),
			Interval{time.Duration(1 + rng.Int64N(1e15)), Aligned, c.Location},
			Interval{time.Duration(1 + rng.Int64N(1e15)), Relative, c.Location}} {
			checkPromises(t, s, a, b)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// checkPromises looks at Next after a and after b, which is not earlier.
func checkPromises(t *testing.T, s Schedule, a, b time.Time) {
	t.Helper()
	x, errX := s.Next(a)
	y, errY := s.Next(b)
	if errX != nil || errY != nil {
		t.Errorf("%s: %v, %v", s, errX, errY)
		return
	}
	again, _ := s.Next(a.In(time.FixedZone("elsewhere", 12345)))
	switch {
	case !x.After(a) || !y.After(b):
		t.Errorf("%s: %s follows %s, %s follows %s", s, x, a, y, b)
	case y.Before(x):
		t.Errorf("%s goes back: %s after %s, but %s after %s", s, x, a, y, b)
	case again != x:
		t.Errorf("%s after %s is %s, and then %s", s, a, x, again)
	}
	c, ok := s.(Crontab)
	if !ok {
		return
	}
	if before, err := c.Next(x.Add(-1)); err != nil || before != x {
		t.Errorf("%s: %s is a tick, but what follows the moment before is %s, %v", s, x, before, err)
	}
	if x.Second() != 0 || x.Nanosecond() != 0 || x.Location() != c.Location {
		t.Errorf("%s: %s is not a full minute of its location", s, x)
	}
}

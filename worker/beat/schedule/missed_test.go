package schedule

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// stamps writes times as the clock of one day.
func stamps(ticks []time.Time) string {
	var out []string
	for _, t := range ticks {
		out = append(out, t.Format("15:04:05"))
	}
	return strings.Join(out, " ")
}

func TestMissed(t *testing.T) {
	day := func(clock string) time.Time { return at(t, "2024-01-01T"+clock+"Z") }
	s := Every(10 * time.Minute)
	for _, c := range []struct {
		why, last, now string
		max            int
		want           string
	}{
		{"now counts, last does not", "10:00:00", "10:30:00", 9, "10:10:00 10:20:00 10:30:00"},
		{"nothing yet", "10:00:00", "10:09:59", 9, ""},
		{"the first of too many", "10:00:00", "23:30:00", 2, "10:10:00 10:20:00"},
		{"the clock went back", "10:00:00", "08:00:00", 9, ""},
		{"none wanted", "10:00:00", "11:00:00", 0, ""},
	} {
		got, err := Missed(s, day(c.last), day(c.now), c.max)
		if err != nil || stamps(got) != c.want {
			t.Errorf("%s: %s, %v, but want %s", c.why, stamps(got), err, c.want)
		}
	}
}

// A broken schedule is one that somebody else wrote.
type broken struct{ after time.Duration }

func (b broken) Next(after time.Time) (time.Time, error) { return after.Add(b.after), nil }
func (b broken) String() string                          { return "broken" }

func TestASchedulesErrorsComeOut(t *testing.T) {
	last := time.Unix(0, 0)
	for _, s := range []Schedule{broken{0}, broken{-time.Second}, Crontab{Minute: "61"}, Crontab{DayOfMonth: "30", MonthOfYear: "feb"}} {
		if got, err := Missed(s, last, last.Add(time.Hour), 5); err == nil || len(got) != 0 {
			t.Errorf("%s: missed %v, %v", s, got, err)
		}
		if got, found, err := Latest(s, last, last.Add(time.Hour)); err == nil || found {
			t.Errorf("%s: latest %v, %v, %v", s, got, found, err)
		}
		if d, err := Once.Decide(s, last, last.Add(time.Hour), 0, 5); err == nil || len(d.Ticks) != 0 || d.Last != last {
			t.Errorf("%s: %v, %v", s, d, err)
		}
	}
}

func TestTheEndIsNoError(t *testing.T) {
	last := end.Add(-3 * time.Minute)
	got, err := Missed(Crontab{}, last, end.Add(time.Hour), 9)
	if err != nil || stamps(got) != "23:58:00 23:59:00" {
		t.Errorf("%v, %v", got, err)
	}
	latest, found, err := Latest(Crontab{}, last, end.Add(time.Hour))
	if err != nil || !found || stamps([]time.Time{latest}) != "23:59:00" {
		t.Errorf("%v, %v, %v", latest, found, err)
	}
}

// Latest must agree with taking every tick, for the kinds that have a shortcut.
func TestLatestIsTheLastOfMissed(t *testing.T) {
	const seed = 19
	rng := rand.New(rand.NewPCG(seed, 0))
	loc := zone(t, "America/New_York")
	for range 300 {
		last := at(t, "2024-10-20T00:00:00Z").Add(time.Duration(rng.Int64N(int64(20 * 24 * time.Hour))))
		now := last.Add(time.Duration(rng.Int64N(int64(30 * time.Hour))))
		period := time.Duration(1 + rng.Int64N(int64(7*time.Hour)))
		for _, s := range []Schedule{randomCrontab(rng, loc), Interval{period, FromLast, loc}, Interval{period, Aligned, loc}, Interval{period, Relative, loc}} {
			if i, ok := s.(Interval); ok && now.Sub(last)/i.Period > 1e4 {
				continue
			}
			all, err := Missed(s, last, now, 1e6)
			if err != nil {
				t.Fatal(err)
			}
			got, found, err := Latest(s, last, now)
			if err != nil || found != (len(all) > 0) || found && !got.Equal(all[len(all)-1]) {
				t.Fatalf("seed %d: %s in (%s, %s]: %s, %v, %v, but the last of %d is %v", seed, s, last, now, got, found, err, len(all), all[max(0, len(all)-1):])
			}
		}
	}
}

// counted counts the calls of Next.
type counted struct {
	Schedule
	calls *int
}

func (c counted) Next(after time.Time) (time.Time, error) {
	*c.calls++
	return c.Schedule.Next(after)
}

// A month of minutes, and then months of nothing: neither is to be walked through.
func TestLatestHalvesTheWay(t *testing.T) {
	calls := 0
	s := counted{Crontab{MonthOfYear: "1"}, &calls}
	got, found, err := search(s, at(t, "2000-01-01T00:00:00Z"), at(t, "2024-08-01T00:00:00Z"))
	if err != nil || !found || !got.Equal(at(t, "2024-01-31T23:59:00Z")) || calls > 120 {
		t.Errorf("%s, %v, %v after %d calls of Next", got, found, err, calls)
	}
}

// A second's interval over three thousand years: only arithmetic gets there.
func TestLatestOverAges(t *testing.T) {
	last, now := at(t, "0100-01-01T00:00:00Z"), at(t, "3100-01-01T00:00:00.5Z")
	for _, s := range []Schedule{Every(time.Second), Interval{Period: time.Second, Align: Aligned}, Crontab{}} {
		got, found, err := Latest(s, last, now)
		if err != nil || !found || !got.Equal(at(t, "3100-01-01T00:00:00Z")) {
			t.Errorf("%s: %s, %v, %v", s, got, found, err)
		}
	}
}

func TestImpossibleIsAnErrorToTestFor(t *testing.T) {
	_, err := Missed(Crontab{DayOfMonth: "31", MonthOfYear: "feb"}, time.Unix(0, 0), time.Unix(1e9, 0), 1)
	if !errors.Is(err, ErrImpossible) {
		t.Error(err)
	}
}

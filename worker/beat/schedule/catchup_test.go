package schedule

import (
	"testing"
	"time"
)

func TestDecide(t *testing.T) {
	day := func(clock string) time.Time { return at(t, "2024-01-01T"+clock+"Z") }
	for _, c := range []struct {
		why       string
		policy    CatchUp
		last, now string
		limit     int
		ticks     string
		newLast   string
		more      bool
	}{
		{"in time", Skip, "10:00:00", "10:10:01", 9, "10:10:00", "10:10:00", false},
		{"in time", Once, "10:00:00", "10:10:01", 9, "10:10:00", "10:10:00", false},
		{"in time", All, "10:00:00", "10:10:01", 9, "10:10:00", "10:10:00", false},
		{"at the end of grace", Skip, "10:00:00", "10:11:00", 9, "10:10:00", "10:10:00", false},
		{"beyond it", Skip, "10:00:00", "10:11:01", 9, "", "10:10:00", false},
		{"beyond it", Once, "10:00:00", "10:11:01", 9, "10:10:00", "10:10:00", false},
		{"not due", All, "10:00:00", "10:09:59", 9, "", "10:00:00", false},
		{"down, none in time", Skip, "10:00:00", "10:35:00", 9, "", "10:30:00", false},
		{"down, none in time", Once, "10:00:00", "10:35:00", 9, "10:30:00", "10:30:00", false},
		{"down, none in time", All, "10:00:00", "10:35:00", 9, "10:10:00 10:20:00 10:30:00", "10:30:00", false},
		{"down, the last in time", Skip, "10:00:00", "10:30:30", 9, "10:30:00", "10:30:00", false},
		{"down, the last in time", Once, "10:00:00", "10:30:30", 9, "10:30:00", "10:30:00", false},
		{"down, the last in time", All, "10:00:00", "10:30:30", 9, "10:10:00 10:20:00 10:30:00", "10:30:00", false},
		{"too many", All, "10:00:00", "10:35:00", 2, "10:10:00 10:20:00", "10:20:00", true},
		{"too many, the rest", All, "10:20:00", "10:35:00", 2, "10:30:00", "10:30:00", false},
		{"as many as may be", All, "10:10:00", "10:35:00", 2, "10:20:00 10:30:00", "10:30:00", false},
		{"once is one, whatever the limit", Once, "00:00:00", "23:55:00", 1, "23:50:00", "23:50:00", false},
		{"the clock went back", All, "10:00:00", "09:00:00", 9, "", "10:00:00", false},
		{"the clock went back", Once, "10:00:00", "09:00:00", 9, "", "10:00:00", false},
		{"the clock went back", Skip, "10:00:00", "09:00:00", 9, "", "10:00:00", false},
	} {
		for _, s := range []Schedule{Every(10 * time.Minute), Crontab{Minute: "*/10"}} {
			d, err := c.policy.Decide(s, day(c.last), day(c.now), time.Minute, c.limit)
			if err != nil || stamps(d.Ticks) != c.ticks || !d.Last.Equal(day(c.newLast)) || d.More != c.more {
				t.Errorf("%s, %s, %s: %s up to %s, more %v, %v, but want %s up to %s", c.why, c.policy, s, stamps(d.Ticks), d.Last, d.More, err, c.ticks, c.newLast)
			}
			if d, err = c.policy.Decide(s, d.Last, day(c.now), time.Minute, c.limit); !c.more && (err != nil || len(d.Ticks) > 0) {
				t.Errorf("%s, %s, %s: decided again, it fires %s, %v", c.why, c.policy, s, stamps(d.Ticks), err)
			}
		}
	}
}

func TestDecideOnANewEntry(t *testing.T) {
	now := time.Unix(1e9, 0)
	for _, policy := range []CatchUp{Skip, Once, All} {
		d, err := policy.Decide(Every(time.Second), time.Time{}, now, time.Minute, 9)
		if err != nil || len(d.Ticks) > 0 || d.Last != now {
			t.Errorf("%s: %v, %v", policy, d, err)
		}
	}
}

// However a scheduler's looks are spread over time, All fires every tick once.
func TestAllIsAll(t *testing.T) {
	s := Crontab{Minute: "*/7", Hour: "1-3", Location: zone(t, "Europe/Berlin")}
	start, stop := at(t, "2024-03-29T00:00:00Z"), at(t, "2024-04-02T00:00:00Z")
	want, err := Missed(s, start, stop, 1000)
	if err != nil || len(want) < 60 {
		t.Fatal(len(want), err)
	}
	var got []time.Time
	last, pause := start, time.Second
	for now := start; now.Before(stop); {
		now = now.Add(pause)
		pause = (pause*3)%(5*time.Hour) + time.Second
		if now.After(stop) {
			now = stop
		}
		for more := true; more; {
			d, err := All.Decide(s, last, now, 0, 4)
			if err != nil || len(d.Ticks) > 4 {
				t.Fatal(d, err)
			}
			got, last, more = append(got, d.Ticks...), d.Last, d.More
		}
	}
	if stamps(got) != stamps(want) {
		t.Errorf("fired\n%s, but want\n%s", stamps(got), stamps(want))
	}
}

func TestDecideRefuses(t *testing.T) {
	s, last, now := Every(time.Second), time.Unix(0, 0), time.Unix(9, 0)
	for _, c := range []struct {
		policy CatchUp
		grace  time.Duration
		limit  int
	}{{"", 0, 1}, {"twice", 0, 1}, {All, -1, 1}, {All, 0, 0}} {
		if d, err := c.policy.Decide(s, last, now, c.grace, c.limit); err == nil || len(d.Ticks) > 0 || d.Last != last {
			t.Errorf("%+v decides %v, %v", c, d, err)
		}
	}
	policy := Once
	if err := policy.UnmarshalText([]byte("All")); err == nil || policy != Once {
		t.Errorf("%s, %v", policy, err)
	}
	if err := policy.UnmarshalText([]byte("all")); err != nil || policy != All {
		t.Errorf("%s, %v", policy, err)
	}
}

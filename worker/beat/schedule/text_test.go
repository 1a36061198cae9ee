package schedule

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestTextRoundTrip(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	for _, c := range []struct {
		text, canonical string
		want            Schedule
	}{
		{"every 30s", "every 30s", Every(30 * time.Second)},
		{" Every  1.5H ALIGNED ", "every 1h30m0s aligned", Interval{Period: 90 * time.Minute, Align: Aligned}},
		{"every 24h relative Europe/Berlin", "every 24h0m0s relative Europe/Berlin", Interval{24 * time.Hour, Relative, berlin}},
		{"every 1ns Europe/Berlin", "every 1ns Europe/Berlin", Interval{1, FromLast, berlin}},
		{"*/5 0 * * mon-fri", "*/5 0 * * mon-fri", Crontab{Minute: "*/5", Hour: "0", DayOfMonth: "*", MonthOfYear: "*", DayOfWeek: "mon-fri"}},
		{"0  2 1 JAN *  Europe/Berlin", "0 2 1 jan * Europe/Berlin",
			Crontab{Minute: "0", Hour: "2", DayOfMonth: "1", MonthOfYear: "jan", DayOfWeek: "*", Location: berlin}},
		{"* * * * * UTC", "* * * * *", Crontab{"*", "*", "*", "*", "*", time.UTC}},
	} {
		s, err := Parse(c.text)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		if s.String() != c.canonical || !same(s, c.want) {
			t.Errorf("%q is read as %#v, written %q", c.text, s, s)
		}
		if again, err := Parse(s.String()); err != nil || !same(again, s) {
			t.Errorf("%q is read back as %#v, %v", s, again, err)
		}
	}
}

// same compares locations by name, since each LoadLocation makes another.
func same(a, b Schedule) bool { return unzoned(a) == unzoned(b) && a.String() == b.String() }

func unzoned(s Schedule) Schedule {
	switch v := s.(type) {
	case Crontab:
		v.Location = nil
		return v
	case Interval:
		v.Location = nil
		return v
	}
	return s
}

func TestTextThatIsNoSchedule(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "it is empty",
		"every":                  "how often",
		"every 0s":               "above 0",
		"every -5s":              "above 0",
		"every 5":                "must be like 30s",
		"every 5s Mars/Olympus":  "Mars/Olympus",
		"every 5s relativ":       "aligned or relative",
		"every 5s aligned UTC x": `what is "x" for`,
		"solar sunrise 52 13":    ErrSolar.Error(),
		"Solar dusk_civil 52 1":  ErrSolar.Error(),
		"* * * * * Local":        "name the zone",
		"every 1s Local":         "name the zone",
		"0 0 12 * * ?":           "no seconds and no years",
		"0 0 12 * * ? 2024":      "it has 7 fields",
		"hourly":                 "it has 1 fields",
	} {
		s, err := Parse(text)
		if err == nil || s != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is %v, %v, which says nothing of %q", text, s, err, want)
		}
	}
	if _, err := Parse("solar sunrise 52 13"); !errors.Is(err, ErrSolar) {
		t.Error(err)
	}
}

func TestSpecInJSON(t *testing.T) {
	type entry struct{ Schedule Spec }
	const text = `{"Schedule":"30 2 * * * America/New_York"}`
	var e entry
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		t.Fatal(err)
	}
	if got := walkFrom(t, e.Schedule, "2024-03-09T12:00:00-05:00", 1); got != "2024-03-10T03:30:00-04:00" {
		t.Error(got)
	}
	if back, err := json.Marshal(e); err != nil || string(back) != text {
		t.Errorf("%s, %v", back, err)
	}
	before := e.Schedule
	if err := json.Unmarshal([]byte(`{"Schedule":"61 * * * *"}`), &e); err == nil || e.Schedule != before {
		t.Errorf("%v, %v", e, err)
	}
}

func TestSpecWritesWhatCanBeReadAlone(t *testing.T) {
	for _, s := range []Schedule{
		nil,
		Crontab{Minute: "61"},
		Crontab{Minute: "1 5"}, // not 15
		Crontab{Minute: " "},
		Crontab{Location: time.Local},
		Crontab{Location: time.FixedZone("", 3600)},
		Crontab{Location: time.FixedZone("Nowhere", 3600)},
		Interval{},
		Interval{Period: time.Second, Location: time.Local},
		Interval{Period: time.Second, Location: time.FixedZone("", 3600)},
		broken{1},
	} {
		if text, err := (Spec{s}).MarshalText(); err == nil {
			t.Errorf("%#v is written as %q", s, text)
		}
	}
}

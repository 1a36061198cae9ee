package schedule

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the tests must not depend on the machine's time zone data
)

// A capture is one case of a file in testdata.
type capture struct {
	TZ        string
	Spec      map[string]any
	LastRunAt time.Time `json:"last_run_at"`
	Fires     []capturedFire
	Error     string

	Field, Text string // of parse-56.json
	Values      []int
}

type capturedFire struct{ time.Time }

// UnmarshalJSON reads a time, or the object with one that crontab-vectors-56.json has.
func (f *capturedFire) UnmarshalJSON(b []byte) error {
	if b[0] != '{' {
		return json.Unmarshal(b, &f.Time)
	}
	var o struct {
		Fire time.Time
		Due  bool `json:"due_at_fire"`
	}
	if err := json.Unmarshal(b, &o); err != nil {
		return err
	}
	if !o.Due {
		return fmt.Errorf("Celery was not due at %s", o.Fire)
	}
	f.Time = o.Fire
	return nil
}

func captures(t *testing.T, name string) []capture {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Celery string
		Cases  []capture
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if file.Celery != "5.6.3" || len(file.Cases) < 30 {
		t.Fatalf("%s: %d cases of Celery %q", name, len(file.Cases), file.Celery)
	}
	return file.Cases
}

func (c capture) crontab(t *testing.T) Crontab {
	t.Helper()
	rules, err := os.ReadFile("testdata/zones/" + strings.ReplaceAll(c.TZ, "/", "-"))
	if err != nil {
		t.Fatal(err)
	}
	loc, err := time.LoadLocationFromTZData(c.TZ, rules)
	if err != nil {
		t.Fatal(err)
	}
	tab := Crontab{Location: loc}
	for name, value := range c.Spec {
		text, ok := value.(string)
		if !ok { // a list of numbers
			text = strings.ReplaceAll(strings.Trim(fmt.Sprint(value), "[]"), " ", ",")
		}
		*tab.field(name) = text
	}
	return tab
}

// field returns the field by Celery's name.
func (c *Crontab) field(name string) *string {
	return map[string]*string{"minute": &c.Minute, "hour": &c.Hour, "day_of_week": &c.DayOfWeek,
		"day_of_month": &c.DayOfMonth, "month_of_year": &c.MonthOfYear}[name]
}

func TestTicksAreCelerys(t *testing.T) {
	for _, file := range []string{"crontab-vectors-56.json", "next-56.json"} {
		for i, c := range captures(t, file) {
			tab := c.crontab(t)
			if c.Error != "" {
				if _, err := tab.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)); err == nil {
					t.Errorf("%s %d: %s is valid, where Celery has %s", file, i, tab, c.Error)
				} else if strings.Contains(c.Error, "rollover") != errors.Is(err, ErrImpossible) {
					t.Errorf("%s %d: %s is refused with %q, by Celery with %s", file, i, tab, err, c.Error)
				}
				continue
			}
			last := c.LastRunAt
			for n, want := range c.Fires {
				got, err := tab.Next(last)
				if err != nil {
					t.Fatalf("%s %d: %s: %v", file, i, tab, err)
				}
				if !got.Equal(want.Time) {
					t.Errorf("%s %d: tick %d of %s after %s is %s, Celery's is %s", file, i, n, tab, last, got, want.Time.In(got.Location()))
					break
				}
				last = got
			}
		}
	}
}

func TestFieldsAreCelerys(t *testing.T) {
	fields := map[string]field{"minute": minuteField, "hour": hourField, "day_of_week": dayOfWeekField,
		"day_of_month": dayOfMonthField, "month_of_year": monthField}
	for _, c := range captures(t, "parse-56.json") {
		f := fields[c.Field]
		if c.Text == "" {
			continue // an error in Celery, here the default
		}
		got, err := f.parse(c.Text)
		if (err != nil) != (c.Error != "") {
			t.Errorf("%s %q gives error %v, in Celery %q", f.name, c.Text, err, c.Error)
			continue
		}
		var values []int
		for v := range 64 {
			if got.has(v) {
				values = append(values, v)
			}
		}
		if err == nil && !slices.Equal(values, c.Values) {
			t.Errorf("%s %q is %v, in Celery %v", f.name, c.Text, values, c.Values)
		}
	}
}

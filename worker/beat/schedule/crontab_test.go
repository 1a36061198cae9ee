package schedule

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func at(t testing.TB, rfc3339 string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, rfc3339)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// walkFrom returns the first n ticks after a time, as RFC 3339.
func walkFrom(t testing.TB, s Schedule, after string, n int) string {
	t.Helper()
	var out []string
	for last := at(t, after); n > 0; n-- {
		next, err := s.Next(last)
		if err != nil {
			t.Fatalf("%s after %s: %v", s, last, err)
		}
		out = append(out, next.Format(time.RFC3339))
		last = next
	}
	return strings.Join(out, " ")
}

func TestClockChanges(t *testing.T) {
	for _, c := range []struct{ why, zone, line, after, want string }{
		{"a skipped time is later by the gap", "America/New_York", "30 2 * * *", "2024-03-09T12:00:00-05:00",
			"2024-03-10T03:30:00-04:00 2024-03-11T02:30:00-04:00"},
		{"skipped times meet those already there", "America/New_York", "*/30 * * * *", "2024-03-10T00:45:00-05:00",
			"2024-03-10T01:00:00-05:00 2024-03-10T01:30:00-05:00 2024-03-10T03:00:00-04:00 2024-03-10T03:30:00-04:00 2024-03-10T04:00:00-04:00"},
		{"no skipped time is lost, which Celery does", "America/New_York", "0,30 2 * * *", "2024-03-09T12:00:00-05:00",
			"2024-03-10T03:00:00-04:00 2024-03-10T03:30:00-04:00 2024-03-11T02:00:00-04:00"},
		{"a start between two skipped times finds the second", "America/New_York", "0,30 2 * * *", "2024-03-10T03:10:00-04:00",
			"2024-03-10T03:30:00-04:00 2024-03-11T02:00:00-04:00"},
		{"midnight is where it was", "America/New_York", "0 0 * * *", "2024-03-09T12:00:00-05:00",
			"2024-03-10T00:00:00-05:00 2024-03-11T00:00:00-04:00"},
		{"a repeated time is its first", "America/New_York", "30 1 * * *", "2024-11-02T12:00:00-04:00",
			"2024-11-03T01:30:00-04:00 2024-11-04T01:30:00-05:00"},
		{"the repeated hour has no ticks", "America/New_York", "*/30 * * * *", "2024-11-03T00:45:00-04:00",
			"2024-11-03T01:00:00-04:00 2024-11-03T01:30:00-04:00 2024-11-03T02:00:00-05:00"},
		{"nor has it for who starts in it, though Celery goes back", "America/New_York", "*/30 * * * *", "2024-11-03T01:10:00-05:00",
			"2024-11-03T02:00:00-05:00 2024-11-03T02:30:00-05:00"},
		{"Berlin, forward", "Europe/Berlin", "30 2 * * *", "2024-03-30T12:00:00+01:00",
			"2024-03-31T03:30:00+02:00 2024-04-01T02:30:00+02:00"},
		{"Berlin, back", "Europe/Berlin", "30 2 * * *", "2024-10-26T12:00:00+02:00",
			"2024-10-27T02:30:00+02:00 2024-10-28T02:30:00+01:00"},
		{"Lord Howe goes forward by half an hour", "Australia/Lord_Howe", "15 2 * * *", "2024-10-05T12:00:00+10:30",
			"2024-10-06T02:45:00+11:00 2024-10-07T02:15:00+11:00"},
		{"a shown time may come before a skipped one", "Australia/Lord_Howe", "20,40 2 * * *", "2024-10-05T12:00:00+10:30",
			"2024-10-06T02:40:00+11:00 2024-10-06T02:50:00+11:00 2024-10-07T02:20:00+11:00"},
		{"Lord Howe goes back by half an hour", "Australia/Lord_Howe", "*/15 * * * *", "2024-04-07T01:20:00+11:00",
			"2024-04-07T01:30:00+11:00 2024-04-07T01:45:00+11:00 2024-04-07T02:00:00+10:30"},
		{"Apia had no 30 December 2011", "Pacific/Apia", "0 12 * * *", "2011-12-29T00:00:00-10:00",
			"2011-12-29T12:00:00-10:00 2011-12-31T12:00:00+14:00 2012-01-01T12:00:00+14:00"},
		{"what was for that day alone is a day later", "Pacific/Apia", "0 12 30 12 *", "2011-12-29T00:00:00-10:00",
			"2011-12-31T12:00:00+14:00 2012-12-30T12:00:00+14:00"},
		{"a gap at midnight", "America/Sao_Paulo", "0 0 * * *", "2018-11-03T12:00:00-03:00",
			"2018-11-04T01:00:00-02:00 2018-11-05T00:00:00-02:00"},
		{"an hour at midnight twice", "America/Havana", "30 0 * * *", "2024-11-02T12:00:00-04:00",
			"2024-11-03T00:30:00-04:00 2024-11-04T00:30:00-05:00"},
	} {
		tab, err := ParseCrontab(c.line, zone(t, c.zone))
		if err != nil {
			t.Fatal(err)
		}
		if got := walkFrom(t, tab, c.after, len(strings.Fields(c.want))); got != c.want {
			t.Errorf("%s: %s after %s\n got %s\nwant %s", c.why, tab, c.after, got, c.want)
		}
	}
}

func TestDates(t *testing.T) {
	for _, c := range []struct{ why, line, after, want string }{
		{"leap years", "0 0 29 2 *", "2024-02-29T00:00:00Z", "2028-02-29T00:00:00Z 2032-02-29T00:00:00Z"},
		{"2100 is none", "0 0 29 2 *", "2096-02-29T00:00:00Z", "2104-02-29T00:00:00Z"},
		{"the rarest of all", "0 0 29 2 mon", "2072-02-29T12:00:00Z", "2112-02-29T00:00:00Z"},
		{"both days must match", "0 0 13 * fri", "2024-01-01T00:00:00Z", "2024-09-13T00:00:00Z 2024-12-13T00:00:00Z"},
		{"short months are left out", "0 0 31 * *", "2024-03-31T00:00:00Z", "2024-05-31T00:00:00Z"},
		{"the year's end", "59 23 31 12 *", "2024-12-31T23:58:59.999Z", "2024-12-31T23:59:00Z 2025-12-31T23:59:00Z"},
		{"parts of a second", "* * * * *", "2024-01-01T00:00:59.999999999Z", "2024-01-01T00:01:00Z 2024-01-01T00:02:00Z"},
		{"before 1970", "30 1 * * *", "1969-12-31T01:29:30Z", "1969-12-31T01:30:00Z 1970-01-01T01:30:00Z"},
		{"the first of all", "0 0 1 1 *", "0000-01-01T00:00:00Z", "0002-01-01T00:00:00Z"},
	} {
		tab, err := ParseCrontab(c.line, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := walkFrom(t, tab, c.after, len(strings.Fields(c.want))); got != c.want {
			t.Errorf("%s: %s after %s\n got %s\nwant %s", c.why, tab, c.after, got, c.want)
		}
	}
}

func TestTheEnd(t *testing.T) {
	tokyo, yearly := zone(t, "Asia/Tokyo"), Crontab{Minute: "0", Hour: "0", DayOfMonth: "1", MonthOfYear: "1"}
	for _, s := range []Schedule{yearly, Crontab{Location: tokyo}, Every(time.Hour), Interval{Period: time.Hour, Align: Aligned}} {
		for _, after := range []time.Time{end.Add(-time.Second), end, end.AddDate(5000, 0, 0)} {
			if got, err := s.Next(after); !errors.Is(err, ErrEnd) {
				t.Errorf("%s after %s is %s, %v", s, after, got, err)
			}
		}
	}
}

func TestWhatIsNoCrontab(t *testing.T) {
	for line, want := range map[string]string{
		"":                 "it has 0 fields",
		"* * * *":          "it has 4 fields",
		"0 * * * * *":      "it has 6 fields",
		"@daily":           "there are no @ names",
		"5,10,, * * * *":   "remove the comma",
		"-1 * * * *":       "negative numbers",
		"60 * * * *":       "60 is not between 0 and 59",
		"* 24 * * *":       "24 is not between 0 and 23",
		"* * 0 * *":        "0 is not between 1 and 31",
		"* * * 13 *":       "13 is not between 1 and 12",
		"* * * * 7":        "7 is not between 0 and 6: Sunday is 0",
		"* * * * 5-7":      "Sunday is 0",
		"10/5 * * * *":     "a step needs a range: write 10-59/5",
		"*/0 * * * *":      "the step must be",
		"*/ * * * *":       "the step must be",
		"*/-2 * * * *":     "the step must be",
		"1-5/x * * * *":    "the step must be",
		"*5 * * * *":       `"*5" is not a minute`,
		"5- * * * *":       `"" is not a minute`,
		"1-5-7 * * * *":    `"5-7" is not a minute`,
		"+5 * * * *":       `"+5" is not a minute`,
		"1_0 * * * *":      `"1_0" is not a minute`,
		"mon * * * *":      `"mon" is not a minute`,
		"* * * mon *":      `"mon" is not a month: it takes 1-12 or jan..dec`,
		"* * * * jan":      `"jan" is not a day of week: it takes 0-6 or sun..sat`,
		"* * * * mon{":     `"mon{" is not a day of week`,
		"* * * * mo":       `"mo" is not a day of week`,
		"* * * * mon#2":    "no L, W, # or ?",
		"* * L * *":        "no L, W, # or ?",
		"* * 15W * *":      "no L, W, # or ?",
		"* * ? * *":        "no L, W, # or ?",
		"0 0 30 2 *":       ErrImpossible.Error(),
		"0 0 31 4,6,9 *":   ErrImpossible.Error(),
		"0 0 31 2-nov/9 1": "", // February and November
	} {
		_, err := ParseCrontab(line, nil)
		if want == "" {
			want = ErrImpossible.Error()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q gives %v, which says nothing of %q", line, err, want)
		}
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	_, err := ParseCrontab("60 24 * * 7", nil)
	for _, want := range []string{`minute "60"`, `hour "24"`, `day of week "7"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %s", err, want)
		}
	}
}

func TestFieldsAreValues(t *testing.T) {
	if got := (Crontab{}).String(); got != "* * * * *" {
		t.Errorf("the zero crontab is %q", got)
	}
	a, err := ParseCrontab(" */5  0 * JAN-Mar Mon-fri ", nil)
	if b := (Crontab{Minute: "*/5", Hour: "0", DayOfMonth: "*", MonthOfYear: "jan-mar", DayOfWeek: "mon-fri"}); err != nil || a != b {
		t.Errorf("read as %#v, %v", a, err)
	}
	// Celery takes white space beside commas, from code if not from a line.
	spaced := Crontab{Minute: " 0, 30"}
	if err := spaced.Validate(); err != nil || spaced.String() != "0,30 * * * *" {
		t.Errorf("%q: %v", spaced, err)
	}
}

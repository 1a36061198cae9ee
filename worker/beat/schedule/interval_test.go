package schedule

import (
	"strings"
	"testing"
	"time"
)

func TestIntervals(t *testing.T) {
	for _, c := range []struct{ why, text, after, want string }{
		{"one period after the last", "every 90s", "2024-01-01T00:00:10Z", "2024-01-01T00:01:40Z 2024-01-01T00:03:10Z"},
		{"days are 24 hours", "every 24h America/New_York", "2024-03-09T12:00:00-05:00", "2024-03-10T13:00:00-04:00"},
		{"on the quarters", "every 15m aligned", "2024-01-01T00:10:00Z", "2024-01-01T00:15:00Z 2024-01-01T00:30:00Z"},
		{"a tick is not its own next", "every 15m aligned", "2024-01-01T00:15:00Z", "2024-01-01T00:30:00Z"},
		{"weeks start on Monday", "every 168h aligned", "2024-01-03T00:10:00Z", "2024-01-08T00:00:00Z 2024-01-15T00:00:00Z"},
		{"seconds have nothing to be cut to", "every 45s relative", "2024-01-01T00:00:10Z", "2024-01-01T00:00:55Z"},
		{"cut to minutes", "every 5m relative", "2024-01-01T00:02:10Z", "2024-01-01T00:07:00Z 2024-01-01T00:12:00Z"},
		{"cut to hours", "every 90m relative", "2024-01-01T10:20:00Z", "2024-01-01T11:00:00Z 2024-01-01T12:00:00Z"},
		{"cut to days", "every 36h relative", "2024-01-01T10:20:00Z", "2024-01-02T00:00:00Z 2024-01-03T00:00:00Z"},
		{"hours of half-hour zones", "every 1h relative Asia/Kolkata", "2024-01-01T10:20:00+05:30", "2024-01-01T11:00:00+05:30"},
		{"the day of 23 hours", "every 24h relative Europe/Berlin", "2024-03-30T10:00:00+01:00",
			"2024-03-31T00:00:00+01:00 2024-04-01T00:00:00+02:00 2024-04-02T00:00:00+02:00"},
		{"the day of 25 hours", "every 24h relative Europe/Berlin", "2024-10-27T00:10:00+02:00", "2024-10-28T00:00:00+01:00"},
		{"the day that was none", "every 24h relative Pacific/Apia", "2011-12-29T10:00:00-10:00",
			"2011-12-31T00:00:00+14:00 2012-01-01T00:00:00+14:00"},
	} {
		s, err := Parse(c.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := walkFrom(t, s, c.after, len(strings.Fields(c.want))); got != c.want {
			t.Errorf("%s: %s after %s\n got %s\nwant %s", c.why, s, c.after, got, c.want)
		}
	}
}

func TestIntervalsThatAreNone(t *testing.T) {
	for _, i := range []Interval{{}, Every(-time.Second), {Period: time.Second, Align: "relativ"}} {
		if got, err := i.Next(time.Unix(0, 0)); err == nil {
			t.Errorf("%#v ticks at %s", i, got)
		}
		if _, _, err := Latest(i, time.Unix(0, 0), time.Unix(9, 0)); err == nil {
			t.Errorf("%#v has a latest tick", i)
		}
	}
}

// A tick must not carry the monotonic clock of what it follows, or it would compare by that.
func TestIntervalsForgetTheMonotonicClock(t *testing.T) {
	got, err := Every(time.Second).Next(time.Now())
	if err != nil || strings.Contains(got.String(), "m=") {
		t.Errorf("%s, %v", got, err)
	}
}

package schedule

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// A Schedule is a series of ticks, without an end but for a Clocked. Implementations are values: their methods change nothing, and the
// same arguments give the same results everywhere and at any time.
type Schedule interface {
	// Next returns the first tick that is later than after, never after itself. A later after never gives
	// an earlier tick. It returns an error where the schedule is not valid, and ErrEnd where no tick is left
	// before the year 10000.
	Next(after time.Time) (time.Time, error)

	// String returns the schedule in the form that Parse reads.
	String() string
}

var (
	// ErrEnd says that a schedule has no tick between the given time and the year 10000.
	ErrEnd = errors.New("no further tick before the year 10000")

	// ErrSolar refuses Celery's solar schedules, which need an ephemeris.
	ErrSolar = errors.New("solar schedules (sunrise, dusk and so on) are not supported: use a crontab or an interval")

	// ErrImpossible refuses a crontab whose days are in none of its months, such as 30 February.
	ErrImpossible = errors.New("none of its months has any of its days of the month, so it would never run")
)

// Ticks lie between these two: years beyond them have no RFC 3339 form.
var (
	beginning = time.Time{}
	end       = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
)

// Parse reads the text form of a schedule, which is what String returns:
//
//	every 30s                         an Interval, its period as time.ParseDuration reads it
//	every 15m aligned                 one whose ticks lie on the quarters of the hour
//	every 24h relative Europe/Berlin  one with Celery's relative=True
//	*/5 0 * * mon-fri                 a Crontab in UTC: minute, hour, day of month, month, day of week
//	*/5 0 * * mon-fri Asia/Tokyo      a Crontab in a location of the time zone database
//	at 2030-01-02T03:04:05Z           a Clocked, its time in the form of RFC 3339
//
// Case and the amount of white space don't matter, but for a location's name.
func Parse(text string) (Schedule, error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return nil, errors.New(`read schedule: it is empty: write "every 30s" or five crontab fields`)
	}
	switch strings.ToLower(words[0]) {
	case "every":
		return parseInterval(words[1:])
	case "at":
		return parseClocked(words[1:])
	case "solar":
		return nil, fmt.Errorf("read schedule %q: %w", text, ErrSolar)
	}
	var loc *time.Location
	if len(words) == 6 {
		var err error
		if loc, err = location(words[5]); err != nil {
			return nil, fmt.Errorf("read schedule %q: its sixth field (crontabs have no seconds and no years): %w", text, err)
		}
		words = words[:5]
	}
	c, err := ParseCrontab(strings.Join(words, " "), loc)
	if err != nil {
		return nil, err // and not a Crontab that ticks every minute
	}
	return c, nil
}

// location finds a time zone by its name in the time zone database.
func location(name string) (*time.Location, error) {
	if name == time.Local.String() {
		return nil, errors.New("time zone Local is a different one on each machine: name the zone")
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("time zone %q: %w", name, err)
	}
	return loc, nil
}

// A Spec carries a schedule in and out of JSON, YAML and whatever else uses encoding.TextMarshaler.
type Spec struct{ Schedule }

// MarshalText returns the text form. It is an error where that would not be read back as the same schedule: with
// no schedule, with one that is not valid, and with a location that is not in the time zone database.
func (s Spec) MarshalText() ([]byte, error) {
	if s.Schedule == nil {
		return nil, errors.New("write schedule: there is none")
	}
	text := s.String()
	back, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("write schedule: %w", err)
	}
	if back.String() != text {
		return nil, fmt.Errorf("write schedule %q: it would be read back as %q", text, back)
	}
	return []byte(text), nil
}

// UnmarshalText reads what Parse reads, and leaves the schedule alone on error.
func (s *Spec) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	s.Schedule = parsed
	return nil
}

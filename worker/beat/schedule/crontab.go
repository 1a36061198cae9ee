package schedule

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// A Crontab ticks at each minute that all of its fields match. Its fields are written as for Celery's crontab:
// comma-separated parts, each of them a number, a range a-b, a range with a step a-b/s, "*" or "*/s". A range
// whose end is below its start goes around (22-2), and a step takes every s-th value of the range as written
// out (50-10/5 is 50, 55, 0, 5, 10). Days of the week are 0 (Sunday) to 6 or names, months 1 to 12 or names;
// the first three letters of a name count. An empty field is "*".
//
// As in Celery and unlike cron, a day must match both DayOfWeek and DayOfMonth: "13" with "fri" is Friday 13th.
//
// What Celery's parser lets pass but makes no sense of is an error here: trailing rubbish (1-5-7), names in the
// wrong field, signs and underscores in numbers.
//
// The zero value ticks every minute. Crontabs with equal fields are equal with ==.
type Crontab struct {
	Minute      string         // 0-59
	Hour        string         // 0-23
	DayOfWeek   string         // 0-6 or sun-sat
	DayOfMonth  string         // 1-31
	MonthOfYear string         // 1-12 or jan-dec
	Location    *time.Location // whose wall clock is meant; nil is UTC
}

// ParseCrontab reads the five fields of a crontab line: minute, hour, day of month, month, day of week. That is
// not the order of Crontab's fields, which is Celery's. A nil loc is UTC. The crontab that it returns is valid,
// in lower case and without white space.
func ParseCrontab(text string, loc *time.Location) (Crontab, error) {
	words := strings.Fields(text)
	switch {
	case len(words) > 0 && words[0][0] == '@':
		return Crontab{}, fmt.Errorf("read crontab %q: there are no @ names: write the five fields, such as 0 0 * * * for daily", text)
	case len(words) != 5:
		return Crontab{}, fmt.Errorf("read crontab %q: it has %d fields, not 5: write minute, hour, day of month, month, day of week", text, len(words))
	}
	c := Crontab{Minute: words[0], Hour: words[1], DayOfMonth: words[2], MonthOfYear: words[3], DayOfWeek: words[4], Location: loc}
	for _, f := range c.fields() {
		*f = tidy(*f)
	}
	if err := c.Validate(); err != nil {
		return Crontab{}, err
	}
	return c, nil
}

// Validate returns the mistakes of all fields, or an error that is ErrImpossible where no date can match. Next
// fails for the same reasons.
func (c Crontab) Validate() error {
	_, err := c.pattern()
	return err
}

// Next returns the first tick after the given time, in c's location. On clock changes see the package comment.
func (c Crontab) Next(after time.Time) (time.Time, error) {
	p, err := c.pattern()
	if err != nil {
		return time.Time{}, err
	}
	second, ok := p.nextIn(c.location(), max(after.Unix(), beginning.Unix()))
	if !ok {
		return time.Time{}, fmt.Errorf("crontab %s after %s: %w", c, after.Format(time.RFC3339), ErrEnd)
	}
	return time.Unix(second, 0).In(c.location()), nil
}

// nextIn returns the first tick later than a second since 1970. Ticks keep the order of their wall-clock times
// but around a gap: its times become later, and mix with those that follow it.
func (p *pattern) nextIn(loc *time.Location, after int64) (tick int64, ok bool) {
	here := spanAt(after, loc)
	// From the gap that began this span, some ticks may still be ahead.
	if gap := here.offset - here.before; here.first() > after+here.before && gap > 0 {
		if w, found := p.next(floorDiv(after+here.before, 60) + 1); found && w*60 < here.first() {
			tick, ok = w*60-here.before, true
		}
	}
	start := after + here.offset + 1
	start = max(start, here.first()) // what is before that was shown before this span, too
	w, found := p.next(floorDiv(start-1, 60) + 1)
	for found {
		own := here.owner(w*60, loc)
		if t := own.instant(w * 60); !ok || t < tick {
			tick, ok = t, true
		}
		// A tick out of a gap is not the next one where a time soon after the gap matches.
		shown, skipped := own.gapEnd(w * 60)
		if !skipped {
			break
		}
		w, found = p.next(floorDiv(shown-1, 60) + 1)
	}
	return tick, ok
}

// String returns the crontab's line, followed by its location where that is not UTC.
func (c Crontab) String() string {
	var b strings.Builder
	for i, f := range []string{c.Minute, c.Hour, c.DayOfMonth, c.MonthOfYear, c.DayOfWeek} {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(tidy(f))
	}
	if name := c.location().String(); name != time.UTC.String() {
		b.WriteString(" " + name)
	}
	return b.String()
}

func (c Crontab) location() *time.Location {
	if c.Location == nil {
		return time.UTC
	}
	return c.Location
}

func (c *Crontab) fields() []*string {
	return []*string{&c.Minute, &c.Hour, &c.DayOfMonth, &c.MonthOfYear, &c.DayOfWeek}
}

// pattern expands the fields. It is quick, and done for each Next, so that a Crontab stays a value.
func (c Crontab) pattern() (p pattern, err error) {
	var errs [5]error
	p.minute, errs[0] = minuteField.parse(c.Minute)
	p.hour, errs[1] = hourField.parse(c.Hour)
	p.dayOfMonth, errs[2] = dayOfMonthField.parse(c.DayOfMonth)
	p.month, errs[3] = monthField.parse(c.MonthOfYear)
	p.dayOfWeek, errs[4] = dayOfWeekField.parse(c.DayOfWeek)
	if errs != [5]error{} {
		return p, fmt.Errorf("crontab %s: %w", c, errors.Join(errs[:]...))
	}
	if !p.possible() {
		return p, fmt.Errorf("crontab %s: %w", c, ErrImpossible)
	}
	return p, nil
}

// tidy returns a field as String writes it: in lower case, no space around commas. It leaves other white space
// alone, which is a mistake that must not be hidden.
func tidy(field string) string {
	if field == "" {
		return "*"
	}
	parts := strings.Split(strings.ToLower(field), ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return strings.Join(parts, ",")
}

// floorDiv rounds down where / rounds towards zero, which matters before 1970.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

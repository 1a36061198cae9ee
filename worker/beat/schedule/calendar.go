package schedule

import "time"

// A pattern is a crontab ready for use: the values of each field. It matches wall-clock minutes, of which it
// knows no time zone: a minute is counted from 1970-01-01 00:00 on that wall clock.
type pattern struct {
	minute, hour, dayOfMonth, month, dayOfWeek set
}

// lastMinute is the last minute of the year 9999.
var lastMinute = end.Unix()/60 - 1

// possible reports whether any date matches. It need not look at the days of the week: within 400 years every
// date falls on each of them, the 29th of February too.
func (p *pattern) possible() bool {
	for m := 1; m <= 12; m++ {
		if p.month.has(m) && p.dayOfMonth.first() <= daysIn(2000, time.Month(m)) {
			return true
		}
	}
	return false
}

// next returns the first matching minute from the given one on. It skips months and days that do not match, so
// that its cost does not grow with the distance in days.
func (p *pattern) next(minute int64) (int64, bool) {
	if minute > lastMinute {
		return 0, false
	}
	t := time.Unix(minute*60, 0).UTC()
	year, month, day := t.Date()
	hour, min, _ := t.Clock()
	if p.month.has(int(month)) && p.days(year, month).has(day) {
		if p.hour.has(hour) {
			if min, ok := p.minute.from(min); ok {
				return wall(year, month, day, hour, min), true
			}
		}
		if hour, ok := p.hour.from(hour + 1); ok {
			return wall(year, month, day, hour, p.minute.first()), true
		}
	}
	for year < end.Year() {
		next, ok := p.month.from(int(month))
		if !ok {
			year, month, day = year+1, time.January, 0
			continue
		}
		if time.Month(next) != month {
			month, day = time.Month(next), 0
		}
		if day, ok := p.days(year, month).from(day + 1); ok {
			return wall(year, month, day, p.hour.first(), p.minute.first()), true
		}
		month, day = month+1, 0
	}
	return 0, false
}

// days returns the days of a month that both the day of the month and the day of the week allow.
func (p *pattern) days(year int, month time.Month) set {
	// The weekdays from that of the 1st on, for five weeks.
	first := int(time.Date(year, month, 1, 0, 0, 0, 0, time.UTC).Weekday())
	week := p.dayOfWeek>>first | p.dayOfWeek<<(7-first)
	weeks := week | week<<7 | week<<14 | week<<21 | week<<28
	length := daysIn(year, month)
	return p.dayOfMonth & (weeks << 1) & (1<<(length+1) - 1)
}

func daysIn(year int, month time.Month) int {
	return time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

func wall(year int, month time.Month, day, hour, min int) int64 {
	return time.Date(year, month, day, hour, min, 0, 0, time.UTC).Unix() / 60
}

package schedule

import (
	"math"
	"time"
)

// A span is a stretch of time in which a location keeps its offset from UTC, with the offsets of the spans at
// both sides. Times are seconds since 1970; those on a wall clock count from 1970-01-01 00:00 on that clock.
type span struct {
	from, to              int64
	before, offset, after int64
}

func spanAt(second int64, loc *time.Location) span {
	t := time.Unix(second, 0).In(loc)
	s := span{from: math.MinInt64, to: math.MaxInt64, offset: offset(t)}
	from, to := t.ZoneBounds()
	if !from.IsZero() {
		s.from, s.before = from.Unix(), offset(from.Add(-time.Second))
	}
	if !to.IsZero() {
		s.to, s.after = to.Unix(), offset(to)
	}
	return s
}

func offset(t time.Time) int64 {
	_, seconds := t.Zone()
	return int64(seconds)
}

// first and limit bound the wall-clock times that belong to the span: from first to before limit. The spans of a
// location share out all wall-clock times: one that is shown twice belongs to the earlier span, and so does one
// that the change at the span's end skips.
func (s span) first() int64 {
	if s.from == math.MinInt64 {
		return s.from
	}
	return s.from + max(s.before, s.offset)
}

func (s span) limit() int64 {
	if s.to == math.MaxInt64 {
		return s.to
	}
	return s.to + max(s.offset, s.after)
}

// owner returns the span that a wall-clock time belongs to, looking from a span nearby.
func (s span) owner(wall int64, loc *time.Location) span {
	s = spanAt(wall-s.offset, loc)
	for wall < s.first() {
		s = spanAt(s.from-1, loc)
	}
	for wall >= s.limit() {
		s = spanAt(s.to, loc)
	}
	return s
}

// instant returns when a wall-clock time of the span is. One that is skipped comes out later by as much as is
// skipped, since the span's own offset takes it into the next span.
func (s span) instant(wall int64) int64 { return wall - s.offset }

// gapEnd returns the first wall-clock time after the one given that is shown, and whether that one is not.
func (s span) gapEnd(wall int64) (int64, bool) {
	return s.limit(), s.to != math.MaxInt64 && wall >= s.to+s.offset
}

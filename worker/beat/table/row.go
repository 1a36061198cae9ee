package table

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"taskbench/worker/beat"
	"taskbench/worker/beat/schedule"
)

// A row is one periodic task with its schedule.
type row struct {
	name, task, args, kwargs, headers                       string
	queue, exchange, key                                    sql.NullString
	priority, expireSeconds, solar, every                   sql.NullInt64
	oneOff                                                  bool
	period, minute, hour, dayOfMonth, month, dayOfWeek, loc sql.NullString
	expires, start, clocked                                 any
}

// columns are in the order of the query.
func (r *row) columns() []any {
	return []any{
		&r.name, &r.task, &r.args, &r.kwargs, &r.queue, &r.exchange, &r.key, &r.headers, &r.priority, &r.expires,
		&r.expireSeconds, &r.oneOff, &r.start, &r.solar, &r.every, &r.period, &r.minute, &r.hour, &r.dayOfMonth, &r.month,
		&r.dayOfWeek, &r.loc, &r.clocked,
	}
}

// entry returns all that is wrong with the row as one error.
func (r *row) entry() (beat.Entry, error) {
	e := beat.Entry{Name: r.name, Task: r.task, OneOff: r.oneOff}
	var wrong []error
	check := func(what string, err error) {
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", what, err))
		}
	}
	var err error
	e.Schedule, err = r.schedule()
	check("schedule", err)
	e.Args, err = decode[[]any](r.args)
	check("args", err)
	e.Kwargs, err = decode[map[string]any](r.kwargs)
	check("kwargs", err)
	e.Options.Headers, err = decode[map[string]any](r.headers)
	check("headers", err)
	for name, v := range e.Options.Headers {
		if n, ok := v.(json.Number); ok { // brokers know Go's own numbers
			if e.Options.Headers[name], err = n.Int64(); err != nil {
				e.Options.Headers[name], _ = n.Float64()
			}
		}
	}
	e.Start, err = readTime(r.start)
	check("start_time", err)
	e.Until, err = readTime(r.expires)
	check("expires", err)
	e.Options.Expires = time.Duration(r.expireSeconds.Int64) * time.Second
	if e.Options.Queue = r.queue.String; e.Options.Queue == "" {
		e.Options.Queue = r.key.String // the default exchange delivers to the queue of that name
	}
	if r.exchange.String != "" {
		check("exchange", errors.New("named exchanges are not supported: name the queue instead"))
	}
	if r.priority.Int64 < 0 || r.priority.Int64 > 9 {
		check("priority", fmt.Errorf("%d is not from 0 to 9", r.priority.Int64))
	} else {
		e.Options.Priority = uint8(r.priority.Int64)
	}
	if len(wrong) == 0 {
		if err := e.Validate(); err != nil {
			wrong = append(wrong, err)
		}
	}
	return e, errors.Join(wrong...)
}

func (r *row) schedule() (schedule.Schedule, error) {
	switch {
	case r.solar.Valid:
		return nil, schedule.ErrSolar
	case r.every.Valid:
		unit, ok := map[string]time.Duration{
			"days": 24 * time.Hour, "hours": time.Hour, "minutes": time.Minute, "seconds": time.Second, "microseconds": time.Microsecond,
		}[r.period.String]
		if !ok {
			return nil, fmt.Errorf("there is no period %q", r.period.String)
		}
		if r.every.Int64 < 1 || r.every.Int64 > int64(1<<62/unit) {
			return nil, fmt.Errorf("it cannot be every %d %s", r.every.Int64, r.period.String)
		}
		return schedule.Every(time.Duration(r.every.Int64) * unit), nil
	case r.minute.Valid:
		zone := r.loc.String
		if zone == "" {
			zone = "UTC"
		}
		loc, err := time.LoadLocation(zone)
		if err != nil || zone == "Local" {
			return nil, fmt.Errorf("time zone %q is not in the time zone database", zone)
		}
		c := schedule.Crontab{
			Minute: r.minute.String, Hour: r.hour.String, DayOfMonth: r.dayOfMonth.String, MonthOfYear: r.month.String,
			DayOfWeek: r.dayOfWeek.String, Location: loc,
		}
		return c, c.Validate()
	case r.clocked != nil:
		at, err := readTime(r.clocked)
		return schedule.Clocked{At: at}, err
	}
	return nil, errors.New("it has neither an interval nor a crontab nor a clocked schedule")
}

// decode reads JSON; whole numbers stay whole.
func decode[T any](text string) (v T, err error) {
	if text == "" {
		return v, nil
	}
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	if err = d.Decode(&v); err == nil && d.More() {
		err = errors.New("there is more behind the value")
	}
	return v, err
}

package table

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the tests must not depend on the machine's time zone data

	"taskbench/worker/beat"
	"taskbench/worker/beat/beattest"
)

func database(t *testing.T) (*DB, string) {
	t.Helper()
	url := "sqlite://" + filepath.Join(t.TempDir(), "beat.db")
	return reopen(t, url), url
}

func reopen(t *testing.T, url string) *DB {
	t.Helper()
	d, err := Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func (d *DB) must(t *testing.T, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := d.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// row inserts a periodic task as Django writes it, with changes to its columns.
func (d *DB) row(t *testing.T, name string, columns map[string]any) {
	t.Helper()
	all := map[string]any{"name": name, "task": "lab.add", "args": "[]", "kwargs": "{}", "headers": "{}", "one_off": false, "enabled": true,
		"total_run_count": 0, "date_changed": "2026-01-01 00:00:00.5", "description": ""}
	for k, v := range columns {
		all[k] = v
	}
	var names, marks []string
	var args []any
	for k, v := range all {
		names, marks, args = append(names, k), append(marks, "?"), append(args, v)
	}
	_, err := d.ExecContext(t.Context(), fmt.Sprintf("INSERT INTO django_celery_beat_periodictask (%s) VALUES (%s)", strings.Join(names, ", "), strings.Join(marks, ", ")), args...)
	if err != nil {
		t.Fatal(err)
	}
}

func filled(t *testing.T) *DB {
	t.Helper()
	d, _ := database(t)
	fill(t, d)
	return d
}

func fill(t *testing.T, d *DB) {
	t.Helper()
	for range 2 { // a second time changes nothing
		if err := Create(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	d.must(t,
		"INSERT INTO django_celery_beat_periodictasks VALUES (1, '2026-01-01 00:00:00.123456')",
		"INSERT INTO django_celery_beat_intervalschedule (id, every, period) VALUES (1, 90, 'seconds'), (2, 5, 'fortnights')",
		"INSERT INTO django_celery_beat_crontabschedule VALUES (1, '*/5', '0-6', 'mon,tue', '*', '*', 'Asia/Tokyo'), (2, '61', '*', '*', '*', '*', 'UTC')",
		"INSERT INTO django_celery_beat_solarschedule VALUES (1, 'sunset', 1, 2)",
		"INSERT INTO django_celery_beat_clockedschedule VALUES (1, '2026-05-01 10:00:00')",
	)
}

func TestLoad(t *testing.T) { loads(t, filled(t)) }

func loads(t *testing.T, d *DB) {
	d.row(t, "interval", map[string]any{"interval_id": 1, "args": "[1, \"two\", 12345678901234567890]", "kwargs": `{"k": [1.5]}`, "queue": "q", "priority": 4,
		"expire_seconds": 30, "headers": `{"n": 3, "f": 1.5, "s": "x"}`})
	d.row(t, "crontab", map[string]any{"crontab_id": 1, "routing_key": "rk", "start_time": "2026-02-01 00:00:00", "expires": "2026-03-01 00:00:00.25"})
	d.row(t, "clocked", map[string]any{"clocked_id": 1, "one_off": true})
	d.row(t, "off", map[string]any{"interval_id": 1, "enabled": false})
	s := NewStore(d)
	got, changed, err := s.Load(t.Context())
	if err != nil || !changed {
		t.Fatalf("%v, %v", changed, err)
	}
	var texts []string
	for i := range got {
		texts = append(texts, got[i].Name+": "+got[i].Schedule.String())
		got[i].Schedule = nil
	}
	if want := []string{"clocked: at 2026-05-01T10:00:00Z", "crontab: */5 0-6 * * mon,tue Asia/Tokyo", "interval: every 1m30s"}; !reflect.DeepEqual(texts, want) {
		t.Errorf("schedules %q, want %q", texts, want)
	}
	if e := got[1]; e.Options.Queue != "rk" || !e.Start.Equal(time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)) || !e.Until.Equal(time.Date(2026, 3, 1, 0, 0, 0, 250e6, time.UTC)) {
		t.Errorf("crontab is %+v", e)
	}
	e := got[2]
	if fmt.Sprint(e.Args, e.Kwargs) != "[1 two 12345678901234567890] map[k:[1.5]]" || e.Options.Queue != "q" || e.Options.Priority != 4 || e.Options.Expires != 30*time.Second {
		t.Errorf("interval is %+v", e)
	}
	if want := map[string]any{"n": int64(3), "f": 1.5, "s": "x"}; !reflect.DeepEqual(e.Options.Headers, want) {
		t.Errorf("headers %#v, want %#v", e.Options.Headers, want)
	}
	if _, changed, err := s.Load(t.Context()); changed || err != nil {
		t.Errorf("nothing has changed: %v, %v", changed, err)
	}
	d.must(t, "UPDATE django_celery_beat_periodictask SET enabled = 1 WHERE name = 'off'", "UPDATE django_celery_beat_periodictasks SET last_update = '2026-01-01 00:00:00.123457'")
	if got, changed, err := s.Load(t.Context()); !changed || err != nil || len(got) != 4 {
		t.Errorf("last_update has moved: %d entries, %v, %v", len(got), changed, err)
	}
}

// A row that is wrong is left out, with all of its mistakes told, and the others are there.
func TestRowsThatAreWrong(t *testing.T) {
	d := filled(t)
	d.row(t, "good", map[string]any{"interval_id": 1})
	d.row(t, "solar", map[string]any{"solar_id": 1})
	d.row(t, "none", nil)
	d.row(t, "period", map[string]any{"interval_id": 2})
	d.row(t, "crontab", map[string]any{"crontab_id": 2})
	d.row(t, "much", map[string]any{"interval_id": 1, "args": "{}", "kwargs": "nope", "exchange": "x", "priority": 77})
	got, _, err := NewStore(d).Load(t.Context())
	var some beat.EntryError
	if !errors.As(err, &some) || len(got) != 1 || got[0].Name != "good" {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, want := range []string{`"solar": schedule: solar`, `"none": schedule: it has neither`, `"period": schedule: there is no period "fortnights"`,
		`"crontab": schedule: crontab 61`, `"much": args:`, "kwargs:", "exchange: named", "priority: 77"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("does not say %s:\n%v", want, err)
		}
	}
}

func TestMarksAreDjangos(t *testing.T) { keepsMarks(t, filled(t)) }

func keepsMarks(t *testing.T, d *DB) {
	d.row(t, "a", map[string]any{"interval_id": 1, "last_run_at": "2026-01-01 02:03:04.000005", "total_run_count": 3})
	d.row(t, "b", map[string]any{"interval_id": 1, "one_off": true})
	s := NewStore(d)
	marks, err := s.Recall(t.Context())
	if err != nil || len(marks) != 2 || !marks[0].Last.Equal(time.Date(2026, 1, 1, 2, 3, 4, 5000, time.UTC)) || marks[0].Runs != 3 || !marks[1].Last.IsZero() {
		t.Fatalf("%+v, %v", marks, err)
	}
	at := time.Date(2026, 1, 1, 2, 4, 34, 0, time.UTC)
	err = s.Write(t.Context(), []beat.Mark{
		{Name: "a", Last: at, Runs: 4}, {Name: "b", Last: at, Runs: 1, Done: true}, {Name: "gone", Last: at},
	})
	if err == nil {
		err = s.Write(t.Context(), []beat.Mark{{Name: "a", Last: at.Add(time.Hour), Claim: at, Runs: 9}})
	}
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"a": "2026-01-01 02:04:34 4 1", "b": "2026-01-01 02:04:34 1 0"} {
		var last any
		var n, on string
		err := d.QueryRowContext(t.Context(), "SELECT last_run_at, total_run_count, enabled + 0 FROM django_celery_beat_periodictask WHERE name = ?", name).Scan(&last, &n, &on)
		if err != nil {
			t.Fatal(err)
		}
		moment, err := readTime(last)
		if err != nil {
			t.Fatal(err)
		}
		if got := moment.Format(textual) + " " + n + " " + on; got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	if got, changed, err := s.Load(t.Context()); err != nil || !changed || len(got) != 1 {
		t.Errorf("after one was disabled: %d entries, changed %v, %v", len(got), changed, err)
	}
}

func TestLock(t *testing.T) {
	_, url := database(t)
	beattest.Lock(t, func(t *testing.T) beat.Lock {
		l, err := NewLock(t.Context(), reopen(t, url), "contract")
		if err != nil {
			t.Fatal(err)
		}
		return l
	})
}

func TestURLsThatAreNone(t *testing.T) {
	for _, url := range []string{"redis://:hunter2@h/", "sqlite://hunter2/x.db", "sqlite:", "mysql://u:hunter2@h/db", "::hunter2"} {
		if d, err := Open(t.Context(), url); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v, %v", url, d, err)
		}
	}
}

package main

import (
	"testing"

	"taskbench/worker/beat/table"
)

// fillTables adds a task of each second, as somebody would in Django's admin pages.
func fillTables(t *testing.T, url string) {
	t.Helper()
	d, err := table.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, s := range []string{
		"INSERT INTO django_celery_beat_intervalschedule (id, every, period) VALUES (1, 1, 'seconds')",
		`INSERT INTO django_celery_beat_periodictask (name, task, interval_id, args, kwargs, headers, one_off, enabled, total_run_count, date_changed, description)
			VALUES ('second', 'noop', 1, '[]', '{}', '{}', 0, 1, 0, '2026-01-01 00:00:00', '')`,
		"INSERT INTO django_celery_beat_periodictasks VALUES (1, '2026-01-01 00:00:00')",
	} {
		if _, err := d.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// Package table keeps a beat's schedule in a SQL database, in the tables of django-celery-beat, and has a lock that
// lives in the same database.
//
// # The schedule
//
// The tables are read as Django's admin pages leave them: periodic tasks that are enabled, with an interval, a crontab in
// the row's own time zone, or a clocked schedule. Solar schedules and named exchanges are refused, row by row. They are
// read again when last_update moves, and every five minutes.
//
// Written are last_run_at and total_run_count. The first is the scheduled time of the last tick and not the moment of its
// sending, so that intervals keep their grid; Celery's own scheduler goes on from it. A one-off that was sent and a row
// whose expires has passed are disabled, and last_update is moved.
//
// Times are in UTC, as Django writes them with USE_TZ. On SQLite they are texts, as there.
//
// # The lock
//
// Two tables of our own, taskbench_beat_lease and taskbench_beat_mark, are made where they are not there. A beat holds the
// lease by moving a counter. Another takes it when it has not seen the counter move for the time of the lease, on its
// own monotonic clock: so no wall clock matters, not even the server's. On SQLite a beat that is stopped, not killed, in
// the midst of a transaction keeps everybody out of the file until it goes on: that is SQLite's own lock.
//
// # Dependencies
//
// modernc.org/sqlite reads SQLite without cgo, and github.com/go-sql-driver/mysql speaks with MySQL, as in the brokers. For
// PostgreSQL the package uses whatever driver the program has registered with database/sql under the names pgx or postgres.
package table

// Package sql keeps results in the tables of Celery's database backend, in SQLite, PostgreSQL, MySQL or MariaDB, where Celery's
// clients read what our workers store and ours read what Celery's store.
//
// The tables celery_taskmeta and celery_tasksetmeta are made where they are absent, with the columns that SQLAlchemy
// makes. A result is a Python pickle there, whatever Celery's result serializer is; package pickle writes it, and reads
// it as far as it is plain data. Results that are objects of Python's are an error, and so are groups that Celery saved,
// which are objects too: the groups that are saved here are the JSON of their tuples, pickled as a string, which only
// clients of ours read. The tables have no place for children, group and parent of a task.
//
// On MariaDB Celery's rows get their ids from sequences, on MySQL from the table: what is there decides, and where nothing
// is, the server does.
//
// A database brings no news: while anybody waits, one question for all of them is asked every 50 milliseconds.
//
// Nothing expires by itself: Cleanup, for Celery's task celery.backend_cleanup, removes what is older than the expiry.
//
// Claims on tasks are rows of a table of ours, taskbench_claims, with the holder and the time, by the server's clock, at
// which the claim lapses. Who may not make the table can do all else; nobody can claim a task without it. Whoever claims one
// tries again to make it.
//
// # URL
//
// As SQLAlchemy writes them, with Celery's "db+" or without: sqlite:///relative/path, sqlite:////absolute/path,
// postgresql://user:password@host:port/name, mysql://user:password@host:port/name; a driver's name after a "+" is
// skipped. Parameters are those of the Go driver.
//
// # Drivers
//
// modernc.org/sqlite, as in the broker, needs no C compiler. github.com/jackc/pgx/v5 and github.com/go-sql-driver/mysql
// are the two that are kept well (the second for MariaDB too), and are used through database/sql alone.
package sql

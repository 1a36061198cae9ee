package table

import (
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"taskbench/brokers/servertest"
	"taskbench/worker/beat"
	"taskbench/worker/beat/beattest"
)

func TestLockOnPostgreSQL(t *testing.T) {
	servertest.Needed(t)
	lockOnServer(t, servertest.Postgres(t))
}

func TestLockOnMariaDB(t *testing.T) {
	servertest.Needed(t)
	lockOnServer(t, servertest.MariaDB(t))
}

// The schedule's tests are SQLite's but for these.
func TestScheduleOnMariaDB(t *testing.T) {
	servertest.Needed(t)
	s := servertest.MariaDB(t)
	for name, test := range map[string]func(*testing.T, *DB){"load": loads, "marks": keepsMarks} {
		t.Run(name, func(t *testing.T) {
			d := reopen(t, s.URL)
			fill(t, d)
			defer d.must(t, "DROP DATABASE test", "CREATE DATABASE test")
			test(t, d)
		})
	}
}

// Whoever opens it wrongly is told what to look at, and nobody the password.
func TestMariaDBRefuses(t *testing.T) {
	servertest.Needed(t)
	s := servertest.MariaDB(t)
	wrong := strings.Replace(s.URL, "secret", "hunter2", 1)
	if _, err := Open(t.Context(), wrong); err == nil || !strings.Contains(err.Error(), "password") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a wrong password: %v", err)
	}
	_, err := NewLock(t.Context(), reopen(t, strings.Replace(s.URL, "tester", "reader", 1)), "x")
	if err == nil || !strings.Contains(err.Error(), "needs the right") || strings.Contains(err.Error(), "secret") {
		t.Errorf("without rights: %v", err)
	}
}

// lockOnServer is for servers, which let transactions overlap, as SQLite does not.
func lockOnServer(t *testing.T, s *servertest.Server) {
	open := func(t *testing.T, name string) *Lock {
		t.Helper()
		l, err := NewLock(t.Context(), reopen(t, s.URL), name)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	t.Run("contract", func(t *testing.T) {
		beattest.Lock(t, func(t *testing.T) beat.Lock { return open(t, "contract") })
	})
	// A beat prolongs its lease while it writes marks; it must not take its own writing for that of another.
	t.Run("prolonged while writing", func(t *testing.T) {
		l := open(t, "busy")
		tenure, err := l.Acquire(t.Context(), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() {
			for range 300 {
				if err := l.Write(t.Context(), tenure, []beat.Mark{{Name: "one", Last: time.Unix(1, 0)}}); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
		for {
			select {
			case err := <-done:
				if err != nil {
					t.Error(err)
				}
				return
			default:
			}
			if again, err := l.Acquire(t.Context(), time.Minute); err != nil || again != tenure {
				t.Fatalf("prolonged: tenure %d, %v; want %d", again, err, tenure)
			}
		}
	})
}

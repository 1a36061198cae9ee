package table

import (
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"taskbench/brokers/servertest"
	"taskbench/worker/beat"
	"taskbench/worker/beat/beattest"
)

// PostgreSQL lets transactions overlap, which SQLite does not.
func TestLockOnPostgreSQL(t *testing.T) {
	servertest.Needed(t)
	s := servertest.Postgres(t)
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

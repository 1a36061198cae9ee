package postgres

import (
	"errors"
	"testing"
	"time"

	"taskbench/brokers/servertest"
)

// What the server undoes to end a deadlock is done again: it was nobody's mistake.
func TestDeadlocksAreTriedAgain(t *testing.T) {
	servertest.Needed(t)
	t.Parallel()
	at, conn := launch(t)
	b := openAt(t, at, Driver.Variants[0])
	for _, id := range []string{"1", "2"} {
		send(t, b, letter("q", id))
	}
	// The other session locks the second message and then wants the first, which the purge has locked by then; that waits for
	// the second, and is the one to be undone, since it looks for deadlocks sooner.
	do(t, conn, `SET deadlock_timeout = '1 min'`, `BEGIN`, `UPDATE taskbench_message SET handed = 0 WHERE id = (SELECT max(id) FROM taskbench_message)`)
	type outcome struct {
		n   int
		err error
	}
	purged := make(chan outcome, 1)
	go func() {
		n, err := b.Purge(t.Context(), "q")
		purged <- outcome{n, err}
	}()
	if err := servertest.Until(t.Context(), 10*time.Second, func() error {
		if count(t, conn, `SELECT count(*)::int FROM pg_locks WHERE NOT granted`) == 0 {
			return errors.New("the purge does not wait")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	do(t, conn, `UPDATE taskbench_message SET handed = 0 WHERE id = (SELECT min(id) FROM taskbench_message)`, `COMMIT`)
	select {
	case got := <-purged:
		if got.n != 2 || got.err != nil {
			t.Errorf("%d messages are purged, %v", got.n, got.err)
		}
	case <-time.After(15 * time.Second):
		t.Fatal("the purge has not ended")
	}
	if err := servertest.Until(t.Context(), 10*time.Second, func() error {
		if count(t, conn, `SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()`) == 0 {
			return errors.New("there was no deadlock")
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// Package oracle tests the judge: a simulated broker and its workers, with bugs planted in them at a known place and
// counted by whoever planted them. What the checks find in the history must be what was planted, to the task.
//
// Time is simulated, so that an outage of a minute takes no time and a seed gives the same history each time; all
// the rest is real: evidence files, collector, recorder, history file and checks.
package oracle

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"taskbench/harness/checks"
	"taskbench/harness/ledger"
)

// Bugs says what is wrong with the system. Zero is healthy, which includes redelivery, retries, failing tasks and
// publishes of unknown outcome.
type Bugs struct {
	Drop      int           // the broker forgets one in so many messages that it had stored
	DropBack  int           // it forgets one in so many messages that workers give back
	Repeat    int           // it stores one in so many messages twice
	Phantom   int           // it acknowledges one in so many publishes that it does not store
	Redeliver int           // it hands out one in so many acknowledged messages again
	Deny      int           // it refuses one in so many publishes that it stores
	Invent    int           // it makes up, for one in so many messages, one with an id that was never published
	Stall     time.Duration // it hands nothing out for so long
	Early     bool          // workers acknowledge before they start: with Kill, a bug
	Kill      bool          // a worker is killed and replaced while busy
	Twice     int           // workers run one in so many deliveries in two processes at once
	Abandon   bool          // the drain is cut off with the queue full
}

// Planted is what the system's side counted while it misbehaved: the tasks, or attempts, that each check must find.
type Planted struct {
	Attempted, Acknowledged, Refused, Unknown            int
	Lost, Phantom, Duplicated, Redelivered, Recovered    int
	Unexpected, Orphaned, Stuck, Retried, Denied, Stalls int
	Concurrent                                           int
}

// Run simulates a system with the given number of tasks and judges what the ledger made of it. Files go to dir,
// which must exist.
func Run(dir string, seed uint64, tasks int, bugs Bugs) (checks.Report, Planted, error) {
	fail := func(err error) (checks.Report, Planted, error) {
		return checks.Report{}, Planted{}, fmt.Errorf("run the oracle with seed %d: %w", seed, err)
	}
	evidence := filepath.Join(dir, "evidence")
	if err := os.Mkdir(evidence, 0o755); err != nil {
		return fail(err)
	}
	rng := rand.New(rand.NewPCG(seed, 0x6f7261636c65))
	run := ledger.NewRun(rng)
	const start = int64(time.Hour)
	rec := ledger.NewRecorder(run, start)
	s := &sim{rng: rng, bugs: bugs, rec: rec, start: start, dir: evidence, tasks: tasks, fate: map[uint64]*fate{}}
	meta, err := s.run()
	if err != nil {
		return fail(err)
	}
	collector := ledger.NewCollector(evidence, rec)
	if err := collector.Close(); err != nil {
		return fail(err)
	}
	if c := collector.Collected(); c.Torn+c.Lost > 0 {
		return fail(fmt.Errorf("evidence is missing: %+v", c))
	}
	path := filepath.Join(dir, "history.tbz")
	frozen := rec.Freeze(meta)
	if err := ledger.WriteFile(path, frozen); err != nil {
		return fail(err)
	}
	stored, err := ledger.ReadFile(path)
	if err != nil {
		return fail(err)
	}
	report := checks.Run(stored)
	if again := checks.Run(frozen); again.Counts != report.Counts {
		return fail(errors.New("a history that was stored and read is judged differently"))
	}
	return report, s.planted(), nil
}

// Package oracle tests the judge: a simulated broker, its workers, a schedule and chords, with bugs planted in them at
// a known place and counted by whoever planted them. What the checks find in the history must be what was planted, to
// the task, and nothing else.
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

// Bugs says what is wrong with the system. Zero is healthy, which includes redelivery, retries, failing tasks, tasks
// that expire or reach their time limit, and publishes of unknown outcome. Numbers are "one in so many".
type Bugs struct {
	// Of the broker.
	Drop      int           // it forgets messages that it had stored
	DropBack  int           // it forgets messages that workers give back
	Repeat    int           // it stores messages twice
	Reorder   int           // it hands messages out 20 ms later than those that came after them
	Phantom   int           // it acknowledges publishes that it does not store
	Swallow   int           // it stores messages and does not confirm them
	Redeliver int           // it hands out acknowledged messages again
	Held      int           // it hands out messages again that a live worker holds
	Deny      int           // it refuses publishes that it stores
	Invent    int           // it makes up, for so many messages, one with an id that was never published
	Stall     time.Duration // it hands nothing out for so long
	Starve    time.Duration // it hands nothing of one queue out for so long
	NeverBack bool          // with Kill: what a dead worker held does not come back
	BackAfter time.Duration // with Kill: it comes back so late; 0 is a second
	CutLoses  int           // with Cut: of the messages that waited then it forgets some
	CutStalls time.Duration // with Cut: it hands nothing out for so long afterwards
	CutMute   bool          // with Cut: it confirms and stores nothing any more

	// Of the workers.
	Early      bool // they acknowledge before they start: with Kill, a bug
	Twice      int  // they run deliveries in two processes at once
	NoRenew    int  // they do not renew their hold on long tasks: the broker hands those out again after a second
	RetryMore  int  // they retry tasks once more than those ask for
	RetryLess  int  // they take a task that asked for a retry for ended
	RunExpired int  // they run tasks that have expired
	TooEarly   int  // they run tasks at once that are to wait for a time
	TooLate    int  // they run them 6 s late
	NoLimit    int  // they let tasks run on that have reached their limit
	CutEarly   int  // they cut tasks off long before their limit
	NoTell     int  // they do not tell tasks that go on when their soft limit is over
	TellEarly  int  // they tell tasks long before
	Bury       int  // they dead-letter tasks that have ended well
	Overwrite  int  // they store a failure over the result of a task that has ended
	Leak       bool // one of them keeps 1 MiB a second

	// Of schedules and chords.
	TickTwice, TickMiss, TickLate        int
	ChordTwice, ChordNever, ChordTooSoon int

	// What happens to the system; none is a bug.
	Kill    bool // a worker is killed and replaced while busy
	Cut     bool // all links to the broker are cut for 300 ms, with messages waiting
	Abandon bool // the drain is cut off with the queue full
	Calm    bool // a hundred tasks a second instead of fourteen hundred: the run lasts longer
}

// Planted is what the system's side counted while it misbehaved: what each check must count, by the check's name; a
// check that is not named must count nothing. Attempted, acknowledged and unknown count publishes, and not findings.
type Planted map[string]int

// Run simulates a system with the given number of tasks and judges what the ledger made of it. Files go to dir,
// which must exist.
func Run(dir string, seed uint64, tasks int, bugs Bugs) (checks.Report, Planted, error) {
	fail := func(err error) (checks.Report, Planted, error) {
		return checks.Report{}, nil, fmt.Errorf("run the oracle with seed %d: %w", seed, err)
	}
	frozen, planted, err := record(dir, seed, tasks, bugs)
	if err != nil {
		return fail(err)
	}
	path := filepath.Join(dir, "history.tbz")
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
	return report, planted, nil
}

// record simulates a system and returns what the ledger made of it.
func record(dir string, seed uint64, tasks int, bugs Bugs) (*ledger.Frozen, Planted, error) {
	evidence := filepath.Join(dir, "evidence")
	if err := os.Mkdir(evidence, 0o755); err != nil {
		return nil, nil, err
	}
	rng := rand.New(rand.NewPCG(seed, 0x6f7261636c65))
	run := ledger.NewRun(rng)
	const start = int64(time.Hour)
	rec := ledger.NewRecorder(run, start)
	s := newSim(rng, rec, start, evidence, tasks, bugs)
	meta, err := s.run()
	if err != nil {
		return nil, nil, err
	}
	collector := ledger.NewCollector(evidence, rec)
	if err := collector.Close(); err != nil {
		return nil, nil, err
	}
	if c := collector.Collected(); c.Torn+c.Lost > 0 {
		return nil, nil, fmt.Errorf("evidence is missing: %+v", c)
	}
	return rec.Freeze(meta), s.planted(), nil
}

// Blames tells whether what a check finds is a fault of somebody: the others count what happens in healthy systems.
func Blames(check string) bool {
	return check != "retried" && check != "recovered" && check != "lapsed"
}

// Disagreements says where a report differs from what was planted, a line each: none is a judge that is right.
func Disagreements(r checks.Report, p Planted) []string {
	var wrong []string
	for _, publishes := range []struct {
		name  string
		found int
	}{{"attempted", r.Counts.Attempted}, {"acknowledged", r.Counts.Acknowledged}, {"unknown", r.Counts.Unknown}} {
		if want := p[publishes.name]; publishes.found != want {
			wrong = append(wrong, fmt.Sprintf("%s: counted %d, and there were %d", publishes.name, publishes.found, want))
		}
	}
	for _, v := range r.Verdicts {
		if v.Count != p[v.Name] {
			wrong = append(wrong, fmt.Sprintf("%s: found %d, planted %d", v.Name, v.Count, p[v.Name]))
		}
	}
	if b := r.Broken(); b != "" {
		wrong = append(wrong, "the books do not agree: "+b)
	}
	return wrong
}

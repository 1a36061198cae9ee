// Package systems is what runs the tasks: one folder for each system under test, all behind one small contract.
package systems

import (
	"context"
	"fmt"
	"time"

	"taskbench/brokers"
	"taskbench/harness/ledger"
	"taskbench/harness/scenario"
)

// A Spec is all that a system needs to start one worker.
type Spec struct {
	Name    string // node name: "worker-1"
	Index   uint16 // of the node, in the history's list of nodes
	Driver  brokers.Driver
	Variant brokers.Variant
	URL     string // of the broker, through the fault proxy
	Queues  []string
	System  scenario.System
	Run     ledger.Run // tasks of other runs are foreign
	// Evidence is the directory where the worker's processes write what they did, apart from the broker.
	Evidence string
	LogPath  string
	// Died is called when a worker that consumed has ended though neither Kill nor Stop had been called, with how
	// it ended ("signal: killed"). It must not call the worker. It may be nil.
	Died func(how string)
}

// A System starts workers. Each folder below this package exports one, named System.
type System struct {
	Name, Doc string
	Pools     []string // the concurrency models it offers, the default first
	Start     func(ctx context.Context, s Spec) (Worker, error)
	// Count opens the place where a cell's results are kept, at the broker's URL, for who sends chords.
	Count func(ctx context.Context, url string) (Counter, error)
	// Beat starts a beat: a Worker that consumes nothing and sends the schedule that the scenario asks for.
	Beat func(ctx context.Context, s BeatSpec) (Worker, error)
}

// A BeatSpec is all that a system needs to start one beat. Its Queues are the one to which the ticks go.
type BeatSpec struct {
	Spec
	Start time.Time // the time of day, a whole multiple of the period, from which every entry has a tick in each period
}

// A Counter is where the tasks of chords are counted as they end.
type Counter interface {
	// Expect says how many tasks the header of a chord has.
	Expect(ctx context.Context, chord string, tasks int) error
	Close() error
}

// A Worker is one running worker: a parent process and, with some pools, its children.
type Worker interface {
	Name() string

	// PIDs are the live processes, parent first; empty when the worker is down.
	PIDs() []int

	// Kill sends SIGKILL to the given processes of the worker (none given: to all of them, parent and children)
	// and returns once they are gone.
	Kill(ctx context.Context, pids ...int) error

	// Stop asks for a warm stop and returns once the worker is gone; a worker that has not left when ctx ends
	// is killed, and that is an error. Stopping a worker that is down does nothing.
	Stop(ctx context.Context) error

	// Start brings a killed or stopped worker back and returns once it consumes.
	Start(ctx context.Context) error
}

// A Shutdown is how a worker is asked to leave, in Celery's words: Warm lets running tasks end, Soft does so for a short
// time, and Cold does not wait for them.
type Shutdown string

// The ways to leave.
const (
	Warm Shutdown = "warm"
	Soft Shutdown = "soft"
	Cold Shutdown = "cold"
)

// A Leaver is a worker that can be asked to leave in each of the ways.
type Leaver interface {
	// Leave is Stop in one of the ways: Stop itself is warm.
	Leave(ctx context.Context, how Shutdown) error
}

// A Drift is how a worker's wall clock differs from its host's: how far it is ahead when it is set, and what it gains with
// each second from then on. Below 0 it is behind, or loses.
type Drift struct {
	Ahead time.Duration
	Rate  float64
}

// A Timekeeper is a worker that can be told another time of day than its host's.
type Timekeeper interface {
	// SetClock takes effect at once in every process of the worker, and in those that are started later. The zero
	// Drift is the host's own time.
	SetClock(d Drift) error

	// Time is what time it is by the worker's own word. It fails when the worker is down or does not answer.
	Time(ctx context.Context) (time.Time, error)
}

// A SlowStarter is a worker whose processes can be made to take their time until they are ready, as with much to load.
type SlowStarter interface {
	// SetSlowStart holds up for so long each process of the worker that starts from now on, children too; 0 none.
	SetSlowStart(d time.Duration) error
}

// EntryName is the name of an entry of a beat's schedule, counted from 0.
func EntryName(i int) string { return fmt.Sprintf("each-%d", i+1) }

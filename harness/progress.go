package harness

import "time"

// Progress is what a run is doing, told a few times a second and at every turn.
type Progress struct {
	Cell, Cells int    // from 1
	Name        string // of the cell
	Phase       string // provision, warmup, steady, fault, recovery, drain, judge, done
	Elapsed     time.Duration
	Left        time.Duration // of the whole plan, estimated
	Offered     float64       // tasks a second over the last second
	Completed   float64
	Backlog     int      // acknowledged and not yet executed
	Faults      []string // in force
	Note        string   // something that happened; Progress with a Note is a line of its own
}

// A Watcher is told of progress, from one goroutine at a time. It must not block.
type Watcher func(Progress)

package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// What a run needs on disk, in bytes. Evidence is kept while a cell runs, its compressed history for good.
const (
	evidencePerTask    = 5 * 32   // received, started, finished, acked, stored
	evidencePerProcess = 3 * 64e3 // grown in steps, one step ahead
	historyPerTask     = 24
	reserve            = 8 << 20 // for logs and reports
	tooLittle          = 4 << 20 // what is left when a run is cut short, so that it can still say so
)

// A FullError is a result directory without the room that the run needs. It is an EnvironmentError's cause.
type FullError struct {
	Dir        string
	Free, Need int64 // bytes
}

func (e FullError) Error() string {
	return fmt.Sprintf("no room for the result in %s: %d MiB are free and %d MiB are needed; make room there, or name a directory on another disk with --out",
		e.Dir, e.Free>>20, (e.Need+1<<20-1)>>20)
}

// room is how many bytes this process may still write below dir, or below the nearest parent that there is.
func room(dir string) (int64, error) {
	for {
		var s unix.Statfs_t
		err := unix.Statfs(dir, &s)
		if err == nil {
			return int64(s.Bavail) * int64(s.Bsize), nil
		}
		if parent := filepath.Dir(dir); os.IsNotExist(err) && parent != dir {
			dir = parent
			continue
		}
		return 0, fmt.Errorf("ask how much room is left in %s: %w", dir, err)
	}
}

// enoughRoom returns a FullError unless dir has room for so many bytes. A file system that does not tell has.
func enoughRoom(dir string, need int64) error {
	free, err := room(dir)
	if err != nil || free >= need {
		return nil
	}
	return FullError{Dir: dir, Free: free, Need: need}
}

// need is how many bytes the plan's result may take while it comes into being.
func (p Plan) need() int64 {
	var evidence, histories int64
	for _, c := range p.Cells {
		if c.Unfit != "" {
			continue
		}
		tasks, y := c.tasks(), c.Scenario.System
		known := tasks // whose evidence is there at a time
		if span := c.Scenario.Load.Warmup + c.Scenario.Load.For; c.Piece > 0 && span > 0 {
			known = min(tasks, int64(float64(tasks)*2*c.Piece.Seconds()/span.Seconds()))
		}
		evidence = max(evidence, known*evidencePerTask+int64(y.Workers*(1+y.Concurrency))*evidencePerProcess)
		histories += tasks * historyPerTask
	}
	return evidence + histories + reserve
}

// needFrom is how many bytes the histories of the pieces still take that fall due after a time.
func (c CellPlan) needFrom(at time.Duration) int64 {
	span := c.Scenario.Load.Warmup + c.Scenario.Load.For
	if at >= span {
		return 0
	}
	return int64(float64(c.tasks())*(span-at).Seconds()/span.Seconds())*historyPerTask + reserve
}

// tasks is about how many tasks fall due in the cell, rather too many than too few.
func (c CellPlan) tasks() int64 {
	l := c.Scenario.Load
	span := l.Warmup + l.For
	if l.Every > 0 {
		return int64(l.Burst) * int64(span/l.Every+1)
	}
	return int64(max(l.Rate, l.From) * span.Seconds())
}

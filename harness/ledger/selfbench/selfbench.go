// Package selfbench measures the ledger and the judge themselves: what an event costs, and how long a large history
// takes to be judged.
package selfbench

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"taskbench/harness/checks"
	"taskbench/harness/ledger"
)

// A Result is what was measured.
type Result struct {
	Tasks       int
	Event       time.Duration // to write one event to an evidence file
	Record      time.Duration // to record one task with its five events
	BytesPer    float64       // of the heap, a task
	Judge       time.Duration // all checks, in one pass
	PeakRSS     int64         // of the whole process until then, bytes; 0 where it is not known
	Write, Read time.Duration // of the history file
	FileBytes   int64
}

// String is one line for people.
func (r Result) String() string {
	return fmt.Sprintf("%d tasks: event %v, record %v/task, %.1f B/task, judged in %.2f s, peak RSS %d MiB, file %.1f B/task written in %.2f s and read in %.2f s",
		r.Tasks, r.Event, r.Record, r.BytesPer, r.Judge.Seconds(), r.PeakRSS>>20, float64(r.FileBytes)/float64(r.Tasks), r.Write.Seconds(), r.Read.Seconds())
}

// Run records, judges and stores a history of so many tasks, one in a hundred of them run twice and one in a
// thousand lost. It needs room for the history file and 32 MiB of evidence in dir.
func Run(dir string, tasks int) (Result, error) {
	r := Result{Tasks: tasks}
	if err := r.event(dir); err != nil {
		return r, fmt.Errorf("measure evidence: %w", err)
	}
	h := r.record(tasks)
	begin := time.Now()
	report := checks.Run(h)
	r.Judge = time.Since(begin)
	r.PeakRSS = peakRSS()
	if want := (tasks + 999) / 1000; report.Counts.Lost != want || report.Broken() != "" {
		return r, fmt.Errorf("judged wrongly: %d lost, want %d; %s", report.Counts.Lost, want, report.Broken())
	}
	if err := r.file(filepath.Join(dir, "selfbench.tbz"), h); err != nil {
		return r, fmt.Errorf("measure the history file: %w", err)
	}
	return r, nil
}

func (r *Result) event(dir string) error {
	e, err := ledger.OpenEvidence(dir, "selfbench", 0)
	if err != nil {
		return err
	}
	const events = 1 << 20
	begin := time.Now()
	for i := range uint64(events) {
		e.Write(ledger.Event{Task: i, Attempt: i, Kind: ledger.Started})
	}
	r.Event = time.Since(begin) / events
	if e.Lost() > 0 {
		return e.Err()
	}
	return e.Close()
}

// record makes a history at 5,000 tasks a second.
func (r *Result) record(tasks int) *ledger.Frozen {
	const every = 200_000 // ns
	rng := rand.New(rand.NewPCG(1, 1))
	before := heap()
	rec := ledger.NewRecorder(ledger.NewRun(rng), 0)
	attempt := uint64(0)
	begin := time.Now()
	for seq := range uint64(tasks) {
		at := int64(seq) * every
		rec.Due(seq, at)
		at += rng.Int64N(100_000)
		rec.PublishStart(seq, at)
		rec.PublishEnd(seq, at+rng.Int64N(500_000), ledger.PublishOK)
		runs := 1
		switch {
		case seq%1000 == 0:
			runs = 0
		case seq%100 == 1:
			runs = 2
		}
		for range runs {
			attempt++
			at += rng.Int64N(5_000_000)
			e := ledger.Event{Task: seq, Attempt: attempt, At: at, PID: 4000 + uint32(seq%16), Node: uint16(seq % 3)}
			var events [5]ledger.Event
			for i, kind := range [...]ledger.Kind{ledger.Received, ledger.Started, ledger.Finished, ledger.Stored, ledger.Acked} {
				e.Kind, e.Outcome = kind, ledger.None
				if kind == ledger.Finished {
					e.Outcome = ledger.OK
				}
				e.At += 20_000 + rng.Int64N(1_000_000)
				events[i] = e
			}
			rec.Apply(events[:]...)
			at = e.At
		}
	}
	r.Record = time.Since(begin) / time.Duration(tasks)
	r.BytesPer = float64(heap()-before) / float64(tasks)
	return rec.Freeze(ledger.Meta{Drained: true, DrainEnded: int64(tasks)*every + 1e9})
}

func (r *Result) file(path string, h ledger.History) error {
	begin := time.Now()
	if err := ledger.WriteFile(path, h); err != nil {
		return err
	}
	r.Write = time.Since(begin)
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	r.FileBytes = info.Size()
	begin = time.Now()
	if _, err := ledger.ReadFile(path); err != nil {
		return err
	}
	r.Read = time.Since(begin)
	return os.Remove(path)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func peakRSS() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	kb, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return 0
	}
	return kb << 10
}

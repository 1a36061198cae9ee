package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"taskbench/harness/checks"
	"taskbench/harness/checks/oracle"
	"taskbench/harness/checks/planted"
)

type options struct {
	seeds   int
	healthy int
	real    time.Duration
	only    string // one bug, for tests
}

// A row is one bug, over all seeds.
type row struct {
	where, bug, does, check string
	planted, found          int
	wrong                   []string
}

// A health is healthy runs of one kind.
type health struct {
	where       string
	begun       int // each with the next seed
	runs, tasks int
	wrong       []string // a finding that blames, or a run that failed
}

// A judgement is all that was tried.
type judgement struct {
	dir    string
	rows   []row
	health []health

	mu sync.Mutex
	n  int
}

const (
	simulated  = "simulated"
	real       = "real worker"
	tasks      = 3000 // of a simulated run
	simulators = 2    // simulated runs at once: they compute
	workers    = 6    // real ones: they wait
)

func (j *judgement) try(ctx context.Context, o options) {
	for _, m := range oracle.Mutants {
		if o.only == "" || o.only == m.Name {
			j.rows = append(j.rows, row{where: simulated, bug: m.Name, does: m.Doc, check: m.Check})
		}
	}
	first := len(j.rows)
	for _, m := range planted.Mutants {
		if o.only == "" || o.only == m.Name {
			j.rows = append(j.rows, row{where: real, bug: m.Name, does: "the broker " + m.Doc, check: m.Check})
		}
	}
	j.health = []health{{where: simulated}, {where: real}}

	var work []func()
	for i := range j.rows[:first] {
		for seed := range uint64(o.seeds) {
			work = append(work, func() { j.simulate(&j.rows[i], seed) })
		}
	}
	for seed := range uint64(o.healthy) {
		work = append(work, func() { j.simulateHealthy(1000 + seed) })
	}
	atOnce(ctx, simulators, work)

	work = nil
	for seed := range uint64(max(1, o.seeds-1)) {
		for i := range j.rows[first:] {
			work = append(work, func() { j.drive(ctx, &j.rows[first+i], seed) })
		}
	}
	atOnce(ctx, workers, work)
	work = nil
	until := time.Now().Add(o.real)
	for range workers {
		work = append(work, func() {
			for ctx.Err() == nil {
				// One that cannot run would fail again at once, and fill the time with the same words.
				if ran := j.driveHealthy(ctx); !ran || time.Now().After(until) {
					return
				}
			}
		})
	}
	atOnce(ctx, workers, work)
}

// atOnce does the work, so many at a time, until ctx ends.
func atOnce(ctx context.Context, n int, work []func()) {
	var all sync.WaitGroup
	queue := make(chan func())
	for range n {
		all.Go(func() {
			for do := range queue {
				do()
			}
		})
	}
	for _, do := range work {
		if ctx.Err() != nil {
			break
		}
		queue <- do
	}
	close(queue)
	all.Wait()
}

// place makes a directory for one run.
func (j *judgement) place() (string, error) {
	j.mu.Lock()
	j.n++
	dir := filepath.Join(j.dir, fmt.Sprint(j.n))
	j.mu.Unlock()
	return dir, os.Mkdir(dir, 0o755)
}

// note adds what came of one run to a row.
func (j *judgement) note(r *row, found, put int, wrong []string, seed uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	r.found += found
	r.planted += put
	if put == 0 {
		wrong = append(wrong, "the bug did not strike")
	}
	for _, w := range wrong {
		r.wrong = append(r.wrong, fmt.Sprintf("seed %d: %s", seed, w))
	}
}

func (j *judgement) simulate(r *row, seed uint64) {
	dir, err := j.place()
	if err != nil {
		j.note(r, 0, 0, []string{err.Error()}, seed)
		return
	}
	defer os.RemoveAll(dir)
	for _, m := range oracle.Mutants {
		if m.Name != r.bug {
			continue
		}
		report, put, err := oracle.Run(dir, seed, tasks, m.Bugs)
		if err != nil {
			j.note(r, 0, 0, []string{err.Error()}, seed)
			return
		}
		j.note(r, report.Verdict(m.Check).Count, put[m.Check], oracle.Disagreements(report, put), seed)
	}
}

func (j *judgement) drive(ctx context.Context, r *row, seed uint64) {
	dir, err := j.place()
	if err != nil {
		j.note(r, 0, 0, []string{err.Error()}, seed)
		return
	}
	defer os.RemoveAll(dir)
	for _, m := range planted.Mutants {
		if m.Name != r.bug {
			continue
		}
		cell, struck, err := m.Run(ctx, dir, seed)
		if err != nil {
			j.note(r, 0, 0, []string{err.Error()}, seed)
			return
		}
		found := 0
		for _, c := range cell.Checks {
			if c.Check == m.Check {
				found = c.Count
			}
		}
		j.note(r, found, struck, m.Disagreements(cell, struck), seed)
	}
}

// well adds a healthy run.
func (j *judgement) well(h *health, tasks int, wrong []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	h.runs++
	h.tasks += tasks
	h.wrong = append(h.wrong, wrong...)
}

func (j *judgement) simulateHealthy(seed uint64) {
	h := &j.health[0]
	dir, err := j.place()
	if err != nil {
		j.well(h, 0, []string{err.Error()})
		return
	}
	defer os.RemoveAll(dir)
	report, put, err := oracle.Run(dir, seed, tasks, oracle.Bugs{Calm: seed%4 == 3})
	if err != nil {
		j.well(h, 0, []string{err.Error()})
		return
	}
	wrong := oracle.Disagreements(report, put)
	for _, v := range report.Verdicts {
		if v.Outcome == checks.Found && oracle.Blames(v.Name) {
			wrong = append(wrong, fmt.Sprintf("%s found %d", v.Name, v.Count))
		}
	}
	j.well(h, report.Counts.Attempted, prefix(fmt.Sprintf("seed %d: ", seed), wrong))
}

// driveHealthy tells whether the real worker could be run; how it was judged is another matter.
func (j *judgement) driveHealthy(ctx context.Context) (ran bool) {
	h := &j.health[1]
	dir, err := j.place()
	if err != nil {
		j.well(h, 0, []string{err.Error()})
		return false
	}
	defer os.RemoveAll(dir)
	j.mu.Lock()
	seed := uint64(h.begun)
	h.begun++
	j.mu.Unlock()
	cell, struck, err := planted.Healthy.Run(ctx, dir, seed)
	if err != nil {
		j.well(h, 0, []string{err.Error()})
		return false
	}
	j.well(h, cell.Counts.Attempted, prefix(fmt.Sprintf("seed %d: ", seed), planted.Healthy.Disagreements(cell, struck)))
	return true
}

func prefix(with string, lines []string) []string {
	var out []string
	for _, l := range lines {
		out = append(out, with+l)
	}
	return out
}

// right tells whether nothing was missed and nobody blamed, and something was tried at all.
func (j *judgement) right() bool {
	for _, r := range j.rows {
		if len(r.wrong) > 0 {
			return false
		}
	}
	for _, h := range j.health {
		if len(h.wrong) > 0 || h.runs == 0 {
			return false
		}
	}
	return len(j.rows) > 0
}

// show prints the table, then the healthy runs, and last what was wrong.
func (j *judgement) show(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) } // Flush tells of errors
	line("IN\tBUG\tWHAT IT DOES\tPLANTED\tFOUND\tBY CHECK\tVERDICT")
	caught, kinds := map[string]int{}, map[string]int{}
	for _, r := range j.rows {
		kinds[r.where]++
		verdict := "caught"
		if len(r.wrong) > 0 {
			verdict = "WRONG"
		} else {
			caught[r.where]++
		}
		line("%s\t%s\t%s\t%d\t%d\t%s\t%s", r.where, r.bug, r.does, r.planted, r.found, r.check, verdict)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	line("\n%d of %d bugs were caught, to the task: %d of %d %s, %d of %d %s.", caught[simulated]+caught[real], len(j.rows),
		caught[simulated], kinds[simulated], simulated, caught[real], kinds[real], real)
	var all []string
	for _, h := range j.health {
		line("healthy, %s: %d runs, %d tasks, %d findings.", h.where, h.runs, h.tasks, len(h.wrong))
		all = append(all, prefix("healthy, "+h.where+", ", h.wrong)...)
	}
	for _, r := range j.rows {
		all = append(all, prefix(r.where+", "+r.bug+", ", r.wrong)...)
	}
	if len(all) > 0 {
		line("\n%s", strings.Join(all, "\n"))
	}
	return w.Flush()
}

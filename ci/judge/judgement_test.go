package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"taskbench/harness/checks/oracle"
	"taskbench/harness/checks/planted"
)

// What the README says of the bugs is what there is.
func TestTheReadmeCountsTheBugs(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	a, b := len(oracle.Mutants), len(planted.Mutants)
	want := fmt.Sprintf("plants %d bugs, %d kinds in a simulated system and %d under the real worker", a+b, a, b)
	if !strings.Contains(strings.Join(strings.Fields(string(text)), " "), want) {
		t.Errorf("the README does not say that `make judge` %s", want)
	}
}

// The short form: one bug in both kinds of systems, and a healthy run of each.
func TestJudgement(t *testing.T) {
	j := &judgement{dir: t.TempDir()}
	j.try(t.Context(), options{seeds: 1, healthy: 2, only: "drop"})
	var b strings.Builder
	if err := j.show(&b); err != nil {
		t.Fatal(err)
	}
	if !j.right() || strings.Count(b.String(), " caught\n") != 2 || !strings.Contains(b.String(), "2 of 2 bugs were caught, to the task: 1 of 1 simulated, 1 of 1 real worker.\n") ||
		!strings.Contains(b.String(), "healthy, simulated: 2 runs, 6000 tasks, 0 findings.") || j.health[1].runs == 0 {
		t.Errorf("right %v:\n%s", j.right(), b.String())
	}
}

// A worker that cannot be run at all is told of once by each that tries it, not for as long as there is time.
func TestHealthyWorkerThatCannotRun(t *testing.T) {
	j := &judgement{dir: filepath.Join(t.TempDir(), "gone")}
	j.try(t.Context(), options{real: time.Hour, only: "none"})
	if n := len(j.health[1].wrong); n != workers || j.right() {
		t.Errorf("told of %d times, want %d; right %v", n, workers, j.right())
	}
}

// What was missed, what was blamed and what was not tried is no pass.
func TestJudgementThatIsWrong(t *testing.T) {
	good := row{where: simulated, bug: "drop", check: "lost", planted: 3, found: 3}
	well := health{where: simulated, runs: 1}
	for name, c := range map[string]struct {
		j    *judgement
		says string
	}{
		"missed":           {&judgement{rows: []row{good, {where: real, bug: "deny", planted: 3, found: 2, wrong: []string{"seed 1: refused: found 2, planted 3"}}}, health: []health{well}}, "real worker, deny, seed 1: refused: found 2, planted 3"},
		"blamed":           {&judgement{rows: []row{good}, health: []health{{where: real, runs: 9, wrong: []string{"seed 7: lost: found 1"}}}}, "healthy, real worker: 9 runs, 0 tasks, 1 findings."},
		"missed, by kind":  {&judgement{rows: []row{good, {where: real, wrong: []string{"seed 1"}}}, health: []health{well}}, "1 of 2 bugs were caught, to the task: 1 of 1 simulated, 0 of 1 real worker."},
		"no healthy run":   {&judgement{rows: []row{good}, health: []health{{where: real}}}, "0 runs"},
		"no bug was tried": {&judgement{health: []health{well}}, "0 of 0"},
	} {
		var b strings.Builder
		if err := c.j.show(&b); err != nil {
			t.Fatal(err)
		}
		if c.j.right() || !strings.Contains(b.String(), c.says) {
			t.Errorf("%s: right %v:\n%s", name, c.j.right(), b.String())
		}
	}
	if j := (&judgement{rows: []row{good}, health: []health{well}}); !j.right() {
		t.Error("what is right is not")
	}
	j := &judgement{dir: t.TempDir()}
	j.note(&good, 0, 0, nil, 1)
	if len(good.wrong) != 1 {
		t.Error("a bug that did not strike counts as caught")
	}
}

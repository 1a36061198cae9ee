package checks

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"taskbench/harness/ledger"
)

func TestCounts(t *testing.T) {
	h := given(acked(good(5), good(30)), acked(), acked(aside(got(9))), acked(killed(5, 7), good(9)), acked(ran(5, 1, ledger.Retried), ran(9, 1, ledger.Failed)),
		failed(), unknown(), unknown(good(5)), begun(), failed(good(9)), ledger.Task{Due: ms}, acked(hangs(9)), acked(good(5), good(9)),
		ledger.Task{Attempts: []ledger.Attempt{good(5)}})
	h.due, h.aliens = 13, 4
	r := Run(h)
	want := Counts{
		Due: 13, Attempted: 12, Acknowledged: 7, Refused: 2, Unknown: 3, Executed: 7, Lost: 2, Duplicated: 2, Recovered: 1, Unexpected: 1,
		Orphaned: 1, Retried: 1, Concurrent: 1, Failed: 1, Malformed: 1, Phantom: 1, Redelivered: 1, Foreign: 4,
	}
	if r.Counts != want {
		t.Errorf("counts\n got %+v\nwant %+v", r.Counts, want)
	}
	if r.Guarantee != "none" || r.Broken() != "" {
		t.Errorf("guarantee %q, broken %q", r.Guarantee, r.Broken())
	}
	if v := r.Verdict("no such"); v.Outcome != Undecided || v.Why == "" {
		t.Errorf("of a check that is not there: %+v", v)
	}
}

func TestGuarantee(t *testing.T) {
	for _, tt := range []struct {
		c    Counts
		want string
	}{
		{Counts{}, ""},
		{Counts{Lost: 3}, ""},
		{Counts{Executed: 9}, "exactly-once"},
		{Counts{Executed: 9, Lost: 1}, "at-most-once"},
		{Counts{Executed: 9, Duplicated: 1}, "at-least-once"},
		{Counts{Executed: 9, Lost: 1, Duplicated: 1}, "none"},
		{Counts{Executed: 9, LossOpen: "not drained"}, ""},
		{Counts{Executed: 9, Duplicated: 1, LossOpen: "not drained"}, ""},
		{Counts{Executed: 9, Lost: 1, LossOpen: "not drained"}, "at-most-once"},
	} {
		if got := Guarantee(tt.c); got != tt.want {
			t.Errorf("Guarantee(%+v) = %q, want %q", tt.c, got, tt.want)
		}
	}
}

func TestBrokenBooksAreTold(t *testing.T) {
	h := one(func(task *ledger.Task) { task.PublishStart = 0 })
	if b := Run(h).Broken(); !strings.Contains(b, testRun.ID(0)) || !strings.Contains(b, "never began") {
		t.Errorf("Broken() = %q", b)
	}
	if b := Run(given(acked(good(5))).with(tally(1, 1, 0, 0, 0))).Broken(); !strings.Contains(b, "executed tasks that it counted") {
		t.Errorf("Broken() = %q", b)
	}
}

func TestFindingsAreBoundedAndTheCountIsNot(t *testing.T) {
	tasks := make([]ledger.Task, 500)
	for i := range tasks {
		tasks[i] = acked()
	}
	v := Run(given(tasks...)).Verdict("lost")
	if v.Count != 500 || len(v.Findings) != keptFindings || v.Findings[99].Task != 99 {
		t.Errorf("count %d with %d findings", v.Count, len(v.Findings))
	}
}

// Every check is one file, with a doc, a name of its own and trials that find something.
func TestEveryCheckIsTried(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var tests strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		tests.Write(b)
	}
	names := map[string]bool{}
	for _, c := range All() {
		if names[c.Name] || c.Doc == "" || !strings.HasSuffix(c.Doc, ".") {
			t.Errorf("check %q: its name comes twice, or its doc is no sentence: %q", c.Name, c.Doc)
		}
		names[c.Name] = true
		if !strings.Contains(tests.String(), fmt.Sprintf("try(t, %q,", c.Name)) {
			t.Errorf("check %s has no trials", c.Name)
		}
	}
	if len(names) < 31 {
		t.Errorf("only %d checks are registered", len(names))
	}
}

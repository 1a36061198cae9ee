package main

import (
	"encoding/json"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"taskbench/harness"
	"taskbench/harness/ledger"
	"taskbench/harness/scenario"
	"taskbench/reports"
	"taskbench/reports/dossier"
)

// withHistory is a result with a history of twenty tasks, of which the fifth was lost.
func withHistory(t *testing.T) (dir string, run ledger.Run) {
	t.Helper()
	dir = t.TempDir()
	s := scenario.Scenario{Name: "some"}
	s.Workload.Name = "io"
	s.System.Pool = "prefork"
	p, err := harness.NewPlan(t.Context(), harness.Request{Name: "some", Scenarios: []scenario.Scenario{s}, Brokers: []string{"memory"}, Lab: "embedded", Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	run = ledger.NewRun(rand.NewPCG(2, 2))
	rec := ledger.NewRecorder(run, 0)
	for seq := range uint64(20) {
		at := int64(seq+1) * int64(time.Second)
		rec.Due(seq, at)
		rec.PublishStart(seq, at)
		rec.PublishEnd(seq, at+1000, ledger.PublishOK)
		for i, kind := range []ledger.Kind{ledger.Received, ledger.Started, ledger.Finished} {
			if seq != 5 {
				e := ledger.Event{Task: seq, Attempt: seq + 1, At: at + int64(i+2)*1000, PID: 7, Node: 1, Kind: kind}
				if kind == ledger.Finished {
					e.Outcome = ledger.OK
				}
				rec.Apply(e)
			}
		}
	}
	r := resultOf(p, harness.Fail)
	r.Cells[0].History, r.Cells[0].Counts.Lost = "history."+p.Cells[0].Name()+".tbz", 1
	h := rec.Freeze(ledger.Meta{Drained: true, DrainEnded: 1e11, Nodes: []string{"broker", "worker-1"}})
	if err := ledger.WriteFile(filepath.Join(dir, r.Cells[0].History), h); err != nil {
		t.Fatal(err)
	}
	if _, err := reports.WriteAll(t.Context(), dir, r); err != nil {
		t.Fatal(err)
	}
	return dir, run
}

func TestExplain(t *testing.T) {
	dir, run := withHistory(t)
	empty := t.TempDir()
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{dir}, exitOK, "task " + run.ID(5) + " of memory.default.prefork.io.1\n  lost: "},
		{[]string{dir, run.ID(7)}, exitOK, "run to its end once, by worker-1"},
		{[]string{dir, run.ID(5)[:30]}, exitOK, "task " + run.ID(5)},
		{[]string{dir, run.ID(7), "--cell", "memory.default.prefork.io.1"}, exitOK, "task " + run.ID(7)},
		{[]string{dir, run.ID(25)}, exitUsage, "the nearest is " + run.ID(19)},
		{[]string{dir, run.ID(7), "--cell", "memory.default.prefork.io.2"}, exitUsage, "did you mean memory.default.prefork.io.1?"},
		{[]string{empty}, exitUsage, "name the directory of a run"},
		{[]string{dir, "a", "b"}, exitUsage, "too many arguments"},
	} {
		code, stdout, stderr := command(t, nil, append([]string{"explain"}, tt.args...)...)
		if code != tt.code || !strings.Contains(stdout+stderr, tt.says) {
			t.Errorf("%v: exit code %d\n%s%s", tt.args[1:], code, stdout, stderr)
		}
	}
	code, stdout, _ := command(t, nil, "explain", dir, run.ID(5), "--json")
	var list []dossier.Dossier
	if err := json.Unmarshal([]byte(stdout), &list); err != nil || code != exitOK || len(list) != 1 || list[0].ID != run.ID(5) || list[0].Class != "lost" {
		t.Errorf("exit code %d, %v\n%s", code, err, stdout)
	}
}

package main

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"taskbench/harness"
	"taskbench/harness/lab/proc"
)

// A worker that dies though no fault was to kill it is noticed: the run is not what was asked for, and cannot pass.
func TestWorkerDiesByItself(t *testing.T) {
	tests := map[string]struct {
		scene  []string // rate, span, task, faults
		kill   int      // how many of the two workers
		says   string
		stays  int // executed tasks are all acknowledged ones when a worker stays
		faults int
	}{
		"one of two":     {scene: []string{"60/s", "2s", "5ms", ""}, kill: 1, says: "died by itself: signal: killed", stays: 1},
		"both":           {scene: []string{"60/s", "2s", "5ms", ""}, kill: 2, says: "no worker is left"},
		"beside a fault": {scene: []string{"60/s", "2s", "5ms", "[{at: 1500ms, fault: kill, node: worker, for: 200ms}]"}, kill: 1, says: "died by itself: signal: killed", stays: 1, faults: 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			args := inScene(test.scene[0], test.scene[1], test.scene[2], test.scene[3])(t)
			p := s.start(t, append(args, "--seed", "3", "--out", s.out)...)
			p.says(t, ": steady", patience)
			workers := s.parents(t, p.cmd.Process.Pid)
			if len(workers) != 2 {
				t.Fatalf("the workers are %v", workers)
			}
			for _, pid := range workers[:test.kill] {
				if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
			}
			if code := p.code(t, patience); code != exitUndecided {
				t.Errorf("exit code %d, want %d\n%s", code, exitUndecided, p.talk())
			}
			wants(t, p.talk(), "died by itself: signal: killed", ".log may say why") // as it happened
			c := resultIn(t, s.out).Cells[0]
			wants(t, strings.Join(c.Warnings, "\n"), "died by itself: signal: killed", test.says)
			if n := strings.Count(strings.Join(c.Warnings, "\n"), "died by itself"); n != test.kill {
				t.Errorf("%d deaths are told: %q", n, c.Warnings)
			}
			// A machine that is too busy to offer the load makes a run void, whoever died in it.
			if c.Outcome != harness.Undecided && c.Outcome != harness.Void || len(c.Faults) != test.faults {
				t.Errorf("the cell is %s with %d faults: %q", c.Outcome, len(c.Faults), c.Warnings)
			}
			if n := c.Counts; test.stays > 0 && (n.Lost != 0 || n.Executed < n.Acknowledged || n.Acknowledged == 0) {
				t.Errorf("the other worker did not do the dead one's tasks: %+v", n)
			}
			s.tidy(t)
		})
	}
}

// parents are the worker processes that the command started itself.
func (s *site) parents(t *testing.T, bench int) []int {
	t.Helper()
	var pids []int
	for _, pid := range s.workers(t) {
		if p, err := proc.Read(pid); err == nil && p.PPID == bench && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids
}

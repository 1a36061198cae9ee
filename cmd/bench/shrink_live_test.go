package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// four is a schedule of which one fault loses tasks: they are acknowledged before they have run, and a worker dies.
const four = `
name: four
asks: Which of four faults loses tasks?
workload: {tasks: [{task: io, duration: 250ms}]}
load: {shape: constant, rate: 28/s, for: 3s, warmup: 200ms}
system: {workers: 2, concurrency: 4, acks: early}
faults:
  - {at: 300ms, fault: latency, node: broker, delay: 20ms, for: 300ms}
  - {at: 1s, fault: latency, node: broker, delay: 10ms, for: 300ms}
  - {at: 1700ms, fault: kill, node: worker, for: 300ms}
  - {at: 2500ms, fault: latency, node: broker, delay: 20ms, for: 200ms}
expect: [lost == 0]
`

// A real run that fails is shrunk by real runs to the fault that matters: on Redis in the lab that BENCH_LAB names, on the
// memory broker where it names none.
func TestShrinkForReal(t *testing.T) {
	t.Parallel()
	broker, lab := "memory", os.Getenv("BENCH_LAB")
	switch lab {
	case "", "auto", "embedded":
		lab = "embedded"
	default:
		broker = "redis:memory"
	}
	dir := t.TempDir()
	file, failed, out := filepath.Join(dir, "four.yaml"), filepath.Join(dir, "failed"), filepath.Join(dir, "out")
	if err := os.WriteFile(file, []byte(four), 0o644); err != nil {
		t.Fatal(err)
	}
	p := start(t, t.TempDir(), "run", file, "--brokers", broker, "--lab", lab, "--seed", "3", "--out", failed)
	if code := p.code(t, time.Minute); code != exitFailed && code != exitUndecided { // it may be void besides
		t.Fatalf("exit code %d of a run that loses\n%s%s", code, p.stdout.String(), p.talk())
	}
	p = start(t, t.TempDir(), "shrink", failed, "--runs", "12", "--out", out)
	code := p.code(t, 4*time.Minute)
	s := left(t, out)
	if code != exitOK || len(s.Faults) != 1 || s.Faults[0].Fault != "kill" {
		t.Errorf("exit code %d, left %+v\n%s%s", code, s.Faults, p.stdout.String(), p.talk())
	}
	if r := resultIn(t, out); r.Cells[0].Counts.Lost == 0 {
		t.Errorf("nothing is lost in the run beside it: %+v", r.Cells[0].Counts)
	}
}

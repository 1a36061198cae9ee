package trial_test

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/servertest"
	"taskbench/worker"
	"taskbench/worker/control"
	"taskbench/worker/result"
)

// resultsURL is for workers that are processes: in the embedded lab they keep no results.
func resultsURL(t *testing.T) string {
	if !servertest.Serves() {
		return ""
	}
	return swift(t).url
}

// A worker that is killed takes its children with it, whatever they do, and another one does its work.
func TestParentIsKilled(t *testing.T) {
	s := swift(t)
	for _, pool := range []string{"prefork", "green"} {
		for _, what := range []string{"wait", "burn"} {
			t.Run(pool+" "+what, func(t *testing.T) {
				t.Parallel()
				queue, file, b := queueOf(t), tempFile(t), s.open(t)
				x := setting{Config: worker.Config{Pool: pool, Concurrency: 2, Queues: []string{queue}, Prefetch: 4}}
				p := launch(t, s, x, nil)
				publish(t, b, task(queue, what, queue+".held", []any{60_000}, nil))
				var pids []int
				within(t, time.Minute, "the task runs", func() bool {
					pids = children(p.pid())
					return len(pids) > 0 && leftIn(t, b, queue) > 0 && (what == "wait" || slices.ContainsFunc(pids, busy))
				})
				for i := range 3 {
					publish(t, b, task(queue, "note", fmt.Sprintf("%s.%d", queue, i), []any{50}, map[string]any{"file": file}))
				}
				killed := time.Now()
				p.kill()
				within(t, 2*time.Second, "no child is left", func() bool { return !slices.ContainsFunc(pids, lives) })
				gone := time.Since(killed)
				if gone > 2*time.Second {
					t.Errorf("the children outlived their parent by %v", gone)
				}
				x.Config.HardLimit = time.Second // which ends the task that was held
				launch(t, s, x, nil)
				want := 3
				if pool == "green" && what == "burn" {
					want = 0 // those that run beside it stand still, too, until the limit ends them
				}
				back := within(t, time.Minute, "another worker has done the work", func() bool { return len(noted(t, file)) >= want && leftIn(t, b, queue) == 0 })
				t.Logf("%d children were gone after %v, the work was done after %v", len(pids), gone.Round(time.Millisecond), back.Round(time.Millisecond))
			})
		}
	}
}

// busy tells whether a process has used the processor for a tenth of a second.
func busy(pid int) bool {
	fields := stat(pid)
	var ticks int
	return len(fields) > 11 && func() bool { _, err := fmt.Sscan(fields[11], &ticks); return err == nil }() && ticks >= 10
}

// A child that heeds nothing is killed at its task's hard limit. The others go on meanwhile.
func TestChildThatHeedsNothing(t *testing.T) {
	s, r := swift(t), results(t)
	for _, what := range []string{"burn", "freeze"} {
		t.Run(what, func(t *testing.T) {
			const limit = 2 * time.Second
			queue, b := queueOf(t), s.open(t)
			w := start(t, s, worker.Config{Pool: "prefork", Concurrency: 2, Queues: []string{queue}, HardLimit: limit}, worker.Options{Results: r})
			before := w.Stats().Children
			id := fmt.Sprintf("%s.%d", queue, time.Now().UnixNano())
			began := time.Now()
			publish(t, b, task(queue, what, id, nil, nil))
			others := uint64(0)
			for w.Stats().Failed == 0 && time.Since(began) < 3*limit {
				others++
				publish(t, b, task(queue, "noop", fmt.Sprintf("%s.%d", id, others), nil, nil))
				within(t, time.Minute, "another task is done meanwhile", func() bool { return w.Stats().Succeeded == others })
			}
			took := time.Since(began)
			if others < 3 {
				t.Errorf("%d other tasks were done meanwhile", others)
			}
			rec, err := r.Get(t.Context(), id)
			within(t, time.Minute, "the failure is stored", func() bool {
				rec, err = r.Get(t.Context(), id)
				return err != nil || rec.State == result.Failure
			})
			if err != nil || rec.Exception == nil || rec.Exception.Type != "TimeLimitExceeded" {
				t.Errorf("its result is %+v (%v)", rec, err)
			}
			within(t, time.Minute, "its child is replaced", func() bool {
				now := w.Stats().Children
				return len(now) == 2 && !slices.Equal(now, before)
			})
			if took < limit || took > limit+3*time.Second {
				t.Errorf("it ended after %v, and %v is the limit", took, limit)
			}
			t.Logf("ended after %v, with %d others done meanwhile", took.Round(time.Millisecond), others)
		})
	}
}

// A task that prints without end costs the worker time and no memory.
func TestFloodOfOutput(t *testing.T) {
	s := swift(t)
	mib := thorough(1024, 64)
	for _, pool := range []string{"prefork", "green"} {
		for name, line := range map[string]int{"lines": 4 << 10, "one line": 2 << 20} {
			t.Run(pool+" "+name, func(t *testing.T) {
				queue, b := queueOf(t), s.open(t)
				p := launch(t, s, setting{Config: worker.Config{Pool: pool, Concurrency: 2, Queues: []string{queue}, Capture: true}}, io.Discard)
				began := time.Now()
				publish(t, b, task(queue, "print", queue+".1", []any{mib, line}, nil))
				within(t, time.Minute, "it is done", func() bool { return leftIn(t, b, queue) == 0 })
				if n := peak(t, p.pid()); n > 200<<20 {
					t.Errorf("the worker grew to %d MiB", n>>20)
				} else {
					t.Logf("%d MiB took %v and the worker %d MiB", mib, time.Since(began).Round(time.Millisecond), n>>20)
				}
			})
		}
	}
}

// What is revoked stays so, however the worker ends.
func TestRevocationsOutliveTheWorker(t *testing.T) {
	s := swift(t)
	for name, end := range map[string]syscall.Signal{"warm stop": syscall.SIGTERM, "killed": syscall.SIGKILL} {
		t.Run(name, func(t *testing.T) {
			queue, file, b := queueOf(t), tempFile(t), s.open(t)
			x := setting{Config: worker.Config{
				Name: queue, Pool: "goroutine", Concurrency: 1, Queues: []string{queue}, StateDB: filepath.Join(t.TempDir(), "state"),
			}, Results: resultsURL(t)}
			p := launch(t, s, x, nil)
			id := fmt.Sprintf("%s.%d", queue, time.Now().UnixNano())
			var replies map[string]json.RawMessage
			within(t, time.Minute, "the worker answers", func() (answered bool) {
				var err error
				replies, err = control.Send(t.Context(), b.(brokers.Exchanger), control.Request{
					Method: "revoke", Args: map[string]any{"task_id": []string{id}}, Destination: []string{queue},
				})
				return err == nil && len(replies) == 1
			})
			if err := p.cmd.Process.Signal(end); err != nil {
				t.Fatal(err)
			}
			p.ends(t, 30*time.Second)
			publish(t, b, task(queue, "note", id, []any{0}, map[string]any{"file": file}))
			launch(t, s, x, nil)
			publish(t, b, task(queue, "note", id+".next", []any{0}, map[string]any{"file": file}))
			within(t, time.Minute, "the queue is empty", func() bool { return leftIn(t, b, queue) == 0 })
			if got := noted(t, file); len(got) != 1 || got[0] != id+".next" {
				t.Errorf("%q ran, want the task that is not revoked alone", got)
			}
			if x.Results == "" {
				return
			}
			if r, err := resultsAt(t, x.Results).Get(t.Context(), id); err != nil || r.State != result.Revoked {
				t.Errorf("the revoked task is %s (%v)", r.State, err)
			}
		})
	}
}

// A warm stop that has a deadline gives back what is not done by then, all of it and at once.
func TestWarmStopWithADeadline(t *testing.T) {
	for _, s := range servers(t) {
		for _, pool := range []string{"prefork", "goroutine", "green"} {
			t.Run(s.name()+" "+pool, func(t *testing.T) {
				t.Parallel()
				const grace = time.Second
				queue, file, b := queueOf(t), tempFile(t), s.open(t)
				p := launch(t, s, setting{Config: worker.Config{Pool: pool, Concurrency: 2, Queues: []string{queue}, Prefetch: 6, Grace: grace}}, nil)
				publish(t, b, task(queue, "note", queue+".quick", []any{0}, map[string]any{"file": file}))
				within(t, 10*time.Second, "the first task is done", func() bool { return len(noted(t, file)) == 1 })
				for i := range 7 {
					publish(t, b, task(queue, "wait", fmt.Sprintf("%s.%d", queue, i), []any{60_000}, nil))
				}
				within(t, 10*time.Second, "the worker has its hands full", func() bool {
					ready, _, err := b.(brokers.Inspector).Depth(t.Context(), queue)
					return err == nil && ready == 1
				})
				if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
					t.Fatal(err)
				}
				took := p.ends(t, grace+20*time.Second)
				if p.err != nil {
					t.Errorf("it ended with %v", p.err)
				}
				back := within(t, time.Minute, "all 7 are ready", func() bool {
					ready, unacked, err := b.(brokers.Inspector).Depth(t.Context(), queue)
					return err == nil && ready == 7 && unacked <= 0
				})
				t.Logf("the stop took %v, and %v later all was ready", took.Round(time.Millisecond), back.Round(time.Millisecond))
			})
		}
	}
}

package trial_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"taskbench/worker"
	"taskbench/worker/result"
	"taskbench/worker/result/redis"
)

// noticed is within how long a link that has died silently must be noticed.
const noticed = 10 * time.Second

// TestSilentLink: a connection over which nothing comes any more, and that nobody ends, is noticed. What was being
// done meanwhile is kept, nothing is lost, and the worker goes on.
func TestSilentLink(t *testing.T) {
	for _, s := range servers(t) {
		for _, pool := range thorough([]string{"goroutine", "prefork"}, []string{"goroutine"}) {
			t.Run(s.name()+" "+pool, func(t *testing.T) {
				t.Parallel()
				queue, file, b, kept := queueOf(t)+strconv.Itoa(int(time.Now().UnixNano())), tempFile(t), s.open(t), results(t)
				through := s
				w, at := newWire(t, s.url)
				through.url = at
				r := start(t, through, worker.Config{Pool: pool, Concurrency: 2, Prefetch: 4, Queues: []string{queue}}, worker.Options{Results: kept})
				notes := map[string]any{"file": file}
				id := func(i int) string { return fmt.Sprintf("%s.%d", queue, i) }
				publish(t, b, task(queue, "note", id(0), []any{0}, notes))
				within(t, time.Minute, "the first task is done", func() bool { return r.Stats().Succeeded == 1 && r.Stats().InHand == 0 })
				for i := 1; i <= 8; i++ { // two of them run, two are held, and four wait
					publish(t, b, task(queue, "note", id(i), []any{1500}, notes))
				}
				within(t, time.Minute, "tasks run", func() bool { return r.Stats().InHand >= 2 })
				if n := w.silence(); n == 0 {
					t.Fatal("there was no connection to fall silent")
				}
				fell := time.Now()
				took := within(t, noticed, "the silence is noticed", func() bool { return r.Stats().Reconnects > 0 })
				within(t, noticed, "the worker is connected anew", func() bool { return r.Stats().Connected })
				publish(t, b, task(queue, "note", id(9), []any{0}, notes))
				within(t, time.Minute, "all is done and settled", func() bool {
					return leftIn(t, b, queue) == 0 && r.Stats().InHand == 0 && len(noted(t, file)) >= 10
				})
				runs := map[string]int{}
				for _, line := range noted(t, file) {
					runs[line]++
				}
				for i := range 10 {
					if n := runs[id(i)]; n != 1 {
						t.Errorf("task %d ran %d times", i, n)
					}
					if rec, err := kept.Get(context.Background(), id(i)); err != nil || rec.State != result.Success {
						t.Errorf("the result of task %d is %s (%v)", i, rec.State, err)
					}
				}
				t.Logf("noticed after %v, all done after %v", took.Round(time.Millisecond), time.Since(fell).Round(time.Millisecond))
			})
		}
	}
}

// Results go on as soon as the silence of their link is noticed. Meanwhile tasks that keep none are done.
func TestSilentLinkToResults(t *testing.T) {
	s := swift(t)
	if _, inRedis := results(t).(*redis.Backend); !inRedis {
		return // results of the embedded lab are in this process
	}
	queue, b, kept := queueOf(t)+strconv.Itoa(int(time.Now().UnixNano())), s.open(t), results(t)
	w, at := newWire(t, s.url)
	r := start(t, s, worker.Config{Pool: "goroutine", Concurrency: 2, Prefetch: 8, Queues: []string{queue}}, worker.Options{Results: resultsAt(t, at)})
	state := func(id string) result.State {
		rec, err := kept.Get(context.Background(), id)
		if err != nil {
			t.Fatal(err)
		}
		return rec.State
	}
	publish(t, b, task(queue, "echo", queue+".before", []any{1}, nil))
	within(t, time.Minute, "a first result is kept", func() bool { return state(queue+".before") == result.Success })
	if n := w.silence(); n == 0 {
		t.Fatal("there was no connection to fall silent")
	}
	fell := time.Now()
	for i := range 4 {
		publish(t, b, task(queue, "echo", fmt.Sprintf("%s.%d", queue, i), []any{i}, nil))
	}
	quiet := task(queue, "noop", queue+".quiet", nil, nil)
	quiet.Headers["ignore_result"] = true
	publish(t, b, quiet)
	within(t, time.Minute, "the task without a result is done meanwhile", func() bool { return r.Stats().InHand == 4 && r.Stats().Succeeded == 6 })
	within(t, noticed, "all results are kept", func() bool {
		for i := range 4 {
			if state(fmt.Sprintf("%s.%d", queue, i)) != result.Success {
				return false
			}
		}
		return true
	})
	within(t, time.Minute, "all is settled", func() bool { return leftIn(t, b, queue) == 0 })
	if st := r.Stats(); st.Reconnects != 0 || st.Started != 6 {
		t.Errorf("%d reconnects and %d starts, want 0 and 6", st.Reconnects, st.Started)
	}
	t.Logf("results were kept %v after the silence fell", time.Since(fell).Round(time.Millisecond))
}

// A link that is slow is not silent: a message that takes longer than silence may is taken all the same.
func TestSlowLink(t *testing.T) {
	for _, s := range servers(t) {
		t.Run(s.name(), func(t *testing.T) {
			t.Parallel()
			queue, b, kept := queueOf(t)+strconv.Itoa(int(time.Now().UnixNano())), s.open(t), results(t)
			publish(t, b, task(queue, "size", queue, []any{strings.Repeat("x", 10<<20)}, nil))
			through := s
			w, at := newWire(t, s.url)
			w.slow = true
			through.url = at
			r := start(t, through, worker.Config{Pool: "goroutine", Concurrency: 1, Queues: []string{queue}}, worker.Options{Results: kept})
			took := within(t, time.Minute, "the large task is done", func() bool {
				rec, err := kept.Get(context.Background(), queue)
				return err == nil && rec.State == result.Success
			})
			if n := r.Stats().Reconnects; n > 0 {
				t.Errorf("the worker reconnected %d times", n)
			}
			t.Logf("10 MiB took %v", took.Round(time.Millisecond))
		})
	}
}

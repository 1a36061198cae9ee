package trial_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"taskbench/brokers/servertest"
	"taskbench/worker"
	"taskbench/worker/canvas"
	"taskbench/worker/result"
)

// A chord completes exactly once though the worker that runs its header is killed twice, the second time with the last
// parts in hand, and children of it all the way. The body runs on two workers that nobody kills, since a body that is
// killed may run again like any task: whatever they run twice was sent twice.
func TestChordUnderKillsOfItsWorker(t *testing.T) {
	servertest.Needed(t)
	for seed := range thorough[uint64](5, 1) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			c := chordTrial{seed: seed, headers: 1000, kills: 20}
			for _, found := range c.runWithParents(t) {
				t.Error(found)
			}
		})
	}
}

// runWithParents is run with a worker for the header that is a process, and killed.
func (c chordTrial) runWithParents(t *testing.T) (found []string) {
	s, backend, file := swift(t), results(t), tempFile(t)
	queue := fmt.Sprintf("%s.%d.%d", queueOf(t), os.Getpid(), time.Now().UnixNano())
	bodies := queue + ".bodies"
	b := s.open(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for range 2 {
		start(t, s, worker.Config{Pool: "goroutine", Concurrency: 2, Queues: []string{bodies}}, worker.Options{Results: backend})
	}
	x := setting{Config: worker.Config{Pool: "prefork", Concurrency: 4, Queues: []string{queue}}, Results: resultsURL(t)}
	p := launch(t, s, x, nil)

	header, ids, want := c.header(queue)
	f := canvas.Follower{Publisher: b, Results: backend}
	id, _, err := f.Start(ctx, canvas.Chord(header, canvas.Sig("tally").Kw("file", file).Set(canvas.Options{Queue: bodies})))
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(c.seed, 3))
	moments := make([]int, c.kills)
	for i := range moments {
		moments[i] = random.IntN(c.headers)
	}
	moments[0] = c.headers - 1
	slices.Sort(moments)
	for i, moment := range moments {
		within(t, time.Minute, fmt.Sprintf("%d tasks are done", moment), func() bool { return c.headers-leftIn(t, b, queue) >= moment })
		if i == c.kills/2 || i == c.kills-1 {
			p.kill()
			p = launch(t, s, x, nil)
			continue
		}
		within(t, time.Minute, "a child is killed", func() bool {
			pids := children(p.pid())
			return len(pids) > 0 && syscall.Kill(pids[random.IntN(len(pids))], syscall.SIGKILL) == nil
		})
	}
	within(t, time.Minute, "the body has succeeded and nothing is left", func() bool {
		r, err := backend.Get(ctx, id)
		return err == nil && r.State == result.Success && leftIn(t, b, queue) == 0 && leftIn(t, b, bodies) == 0
	})
	if lines, line := noted(t, file), fmt.Sprintf("%d of %d", want, c.headers); len(lines) != 1 || lines[0] != line {
		found = append(found, fmt.Sprintf("the body noted %q, want %q once", lines, line))
	}
	return append(found, c.unstored(t, backend, id, ids, want)...)
}

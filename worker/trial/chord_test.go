package trial_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/worker"
	"taskbench/worker/canvas"
	"taskbench/worker/result"
)

// A chordTrial is a chord whose workers' children are killed.
type chordTrial struct {
	seed    uint64
	headers int
	kills   int
	acks    worker.AckPolicy
	spoil   func(result.Backend) result.Backend // plants a bug between the worker and its results; nil is none
	double  bool                                // plants another: the body is sent twice
}

// TestChordUnderKills: a chord completes exactly once, whichever children die at whatever moments while its header runs.
func TestChordUnderKills(t *testing.T) {
	for seed := range thorough[uint64](20, 2) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			began := time.Now()
			c := chordTrial{seed: seed, headers: 1000, kills: 20}
			for _, found := range c.run(t) {
				t.Error(found)
			}
			t.Logf("seed %d took %v", seed, time.Since(began).Round(time.Millisecond))
		})
	}
}

// A child that dies when its task is over, and before it could say what that returned, leaves a task that nobody can
// tell the result of: it is run again if somebody asks for that, and only then.
func TestResultLostWithItsChild(t *testing.T) {
	s, b := swift(t), results(t)
	for _, pool := range []string{"prefork", "green"} {
		for ignored, runs := range map[bool]int{true: 1, false: 2} {
			t.Run(fmt.Sprintf("%s, ignored %v", pool, ignored), func(t *testing.T) {
				file, queue := tempFile(t), queueOf(t)
				w := start(t, s, worker.Config{Pool: pool, Concurrency: 1, Queues: []string{queue}, IgnoreResult: ignored}, worker.Options{Results: b})
				id := "mute:" + file + ".mark"
				m := task(queue, "note", id, []any{0}, map[string]any{"file": file})
				out := s.open(t)
				publish(t, out, m)
				within(t, time.Minute, "the queue is empty", func() bool { return leftIn(t, out, queue) == 0 && w.Stats().InHand == 0 })
				if got := noted(t, file); len(got) != runs {
					t.Errorf("it ran %d times, want %d", len(got), runs)
				}
				r, err := b.Get(t.Context(), id)
				if want := map[bool]result.State{true: result.Pending, false: result.Success}[ignored]; err != nil || r.State != want {
					t.Errorf("its state is %s (%v), want %s", r.State, err, want)
				}
			})
		}
	}
}

// What the trial looks for, it finds.
func TestChordUnderKillsCatches(t *testing.T) {
	for name, c := range map[string]struct {
		trial chordTrial
		want  string
	}{
		"early acknowledgement":  {chordTrial{acks: worker.Early}, "ran 0 times"},
		"a part is not counted":  {chordTrial{spoil: func(b result.Backend) result.Backend { return &forgetful{counting: b.(counting)} }}, "ran 0 times"},
		"the body is sent twice": {chordTrial{double: true}, "ran 2 times"},
		"a result is not stored": {chordTrial{spoil: func(b result.Backend) result.Backend { return &lazy{counting: b.(counting)} }}, "PENDING"},
	} {
		t.Run(name, func(t *testing.T) {
			c.trial.seed, c.trial.headers, c.trial.kills = 1, 300, 20
			found := strings.Join(c.trial.run(t), "; ")
			if !strings.Contains(found, c.want) {
				t.Errorf("found %q, want %q in it", found, c.want)
			}
		})
	}
}

// header is what the body adds up: its tasks, their ids and the sum.
func (c chordTrial) header(queue string) (tasks []canvas.Signature, ids []string, sum int) {
	for i := range c.headers {
		id := queue + "." + strconv.Itoa(i)
		ids = append(ids, id)
		tasks = append(tasks, canvas.Sig("echo", i).Set(canvas.Options{Queue: queue, TaskID: id}))
		sum += i
	}
	return tasks, ids, sum
}

// run runs the trial, and tells all that was wrong.
func (c chordTrial) run(t *testing.T) (found []string) {
	s, backend, file := swift(t), results(t), tempFile(t)
	// A name for this run alone: the planted bugs leave chords behind, and results are shared.
	queue := fmt.Sprintf("%s.%d.%d", queueOf(t), os.Getpid(), time.Now().UnixNano())
	b := s.open(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	kept := backend
	if c.spoil != nil {
		kept = c.spoil(backend)
	}
	o := worker.Options{Results: kept}
	if c.double {
		o.Driver = doubled(s.driver)
	}
	w := start(t, s, worker.Config{Pool: "prefork", Concurrency: 4, Queues: []string{queue}, Acks: c.acks}, o)

	header, ids, want := c.header(queue)
	f := canvas.Follower{Publisher: b, Results: backend}
	stop := c.killer(w)
	id, _, err := f.Start(ctx, canvas.Chord(header, canvas.Sig("tally").Kw("file", file).Set(canvas.Options{Queue: queue})))
	if err != nil {
		t.Fatal(err)
	}
	quiet := 0
	if _, ok := comes(time.Minute, func() bool {
		if leftIn(t, b, queue) > 0 || w.Stats().InHand > 0 {
			quiet = 0
			return false
		}
		quiet++
		return quiet == 3 // what goes back is counted twice or not at all for a moment
	}); !ok {
		found = append(found, fmt.Sprintf("%d messages are left", leftIn(t, b, queue)))
	}
	kills := stop()
	st := w.Stats()
	w.stop()
	t.Logf("seed %d: %d kills, %d attempts cut off, %d returned", c.seed, kills, st.Killed, st.Returned)
	if kills != c.kills || st.Killed == 0 {
		t.Fatalf("%d children were killed and cut off %d attempts: too few to show anything", kills, st.Killed)
	}
	if lines, line := noted(t, file), fmt.Sprintf("%d of %d", want, c.headers); len(lines) != 1 {
		found = append(found, fmt.Sprintf("the body ran %d times: %q", len(lines), lines))
	} else if lines[0] != line {
		found = append(found, fmt.Sprintf("the body came to %q, want %q", lines[0], line))
	}
	return append(found, c.unstored(t, backend, id, ids, want)...)
}

// unstored looks for results that are not what they must be.
func (c chordTrial) unstored(t *testing.T, backend result.Backend, body string, ids []string, sum int) (found []string) {
	for i, id := range append(slices.Clone(ids), body) {
		want := i
		if i == len(ids) {
			want = sum
		}
		r, err := backend.Get(context.Background(), id)
		if err != nil {
			t.Fatal(err)
		}
		if r.State != result.Success || string(r.Value) != strconv.Itoa(want) {
			found = append(found, fmt.Sprintf("task %d is %s with %s", i, r.State, r.Value))
		}
	}
	return found[:min(len(found), 5)]
}

// killer kills a child, each time that a number of tasks have succeeded that chance has chosen, until stopped. The body
// begins after the last of them, since a body that is killed may run again like any task.
func (c chordTrial) killer(w running) (stop func() int) {
	random := rand.New(rand.NewPCG(c.seed, 1))
	moments := make([]int, c.kills)
	for i := range moments {
		moments[i] = random.IntN(c.headers * 9 / 10)
	}
	slices.Sort(moments)
	quit, done := make(chan struct{}), make(chan int)
	go func() {
		kills := 0
		tick := time.NewTicker(500 * time.Microsecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				st := w.Stats()
				if kills < len(moments) && st.Succeeded >= uint64(moments[kills]) && len(st.Children) > 0 && st.InHand > 0 &&
					syscall.Kill(st.Children[random.IntN(len(st.Children))], syscall.SIGKILL) == nil {
					kills++
				}
			case <-quit:
				done <- kills
				return
			}
		}
	}()
	return func() int { close(quit); return <-done }
}

// counting is a backend that counts a chord's parts.
type counting interface {
	result.Backend
	result.Counter
}

// forgetful does not hear one part.
type forgetful struct{ counting }

func (f *forgetful) Report(ctx context.Context, p result.Part) ([]result.Part, error) {
	if p.Index == 100 {
		return nil, nil
	}
	return f.counting.Report(ctx, p)
}

// lazy does not store one result.
type lazy struct{ counting }

func (l *lazy) Store(ctx context.Context, r result.Record) error {
	if string(r.Value) == "100" {
		return nil
	}
	return l.counting.Store(ctx, r)
}

// doubling sends a chord's body twice, and without the mark by which workers know it again.
type doubling struct{ brokers.Broker }

func (d doubling) Publish(ctx context.Context, m brokers.Message) error {
	if m.Headers["task"] == "tally" {
		delete(m.Headers, canvas.HeaderOnce)
		if err := d.Broker.Publish(ctx, m); err != nil {
			return err
		}
	}
	return d.Broker.Publish(ctx, m)
}

// doubled is the driver of such brokers.
func doubled(d brokers.Driver) brokers.Driver {
	open := d.Open
	d.Open = func(ctx context.Context, url string, v brokers.Variant) (brokers.Broker, error) {
		b, err := open(ctx, url, v)
		if err != nil {
			return nil, err
		}
		return doubling{b}, nil
	}
	return d
}

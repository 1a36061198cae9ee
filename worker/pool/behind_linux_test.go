package pool

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"taskbench/brokers"
)

// Whatever becomes of a child, a job that waits in it has had no effect, and another child runs it, once.
func TestAJobBehindIsRunByAnother(t *testing.T) {
	for name, c := range map[string]struct {
		settings Settings
		hard     time.Duration
		end      func(p managed, first *Job, let func())
		want     Status
	}{
		"lost":          {end: func(p managed, _ *Job, _ func()) { syscall.Kill(p.PIDs()[0], syscall.SIGKILL) }, want: Killed},
		"killed":        {end: func(p managed, j *Job, _ func()) { p.Kill(j.Attempt, syscall.SIGKILL) }, want: Killed},
		"terminated":    {end: func(p managed, j *Job, let func()) { p.Kill(j.Attempt, syscall.SIGTERM); let() }, want: Killed},
		"at its limit":  {hard: 300 * time.Millisecond, end: func(managed, *Job, func()) {}, want: TimedOut},
		"leaving":       {settings: Settings{MaxTasks: 1}, end: func(_ managed, _ *Job, let func()) { let() }, want: OK},
		"to be another": {end: func(p managed, _ *Job, let func()) { p.Restart(); let() }, want: OK},
	} {
		t.Run(name, func(t *testing.T) {
			c.settings.Size = 1
			p, began := eager(t, c.settings)
			pid := p.PIDs()[0]
			first, let := gated(t)
			first.Hard = c.hard
			ended := begin(t, p, first)
			second := job(t, "pid")
			behind := follows(t, t.Context(), p, second)
			c.end(p, first, let)
			if r := within(t, time.Minute, ended); r.Status != c.want {
				t.Errorf("the first: %+v, want status %d", r, c.want)
			}
			if r := within(t, time.Minute, behind); r.Status != Failed || name != "to be another" && r.Err.Error() == fmt.Sprint(pid) {
				t.Errorf("the second: %+v, want it run by another child than %d", r, pid)
			}
			if all := began(); !slices.Equal(all, []uint64{first.Attempt, second.Attempt}) {
				t.Errorf("attempts %v were begun, want %d and %d, once each", all, first.Attempt, second.Attempt)
			}
		})
	}
}

// A pool that is made smaller, or closed, starts nothing that waits in its children.
func TestAJobBehindIsNotStartedInAPoolOfNone(t *testing.T) {
	p, began := eager(t, Settings{Size: 1})
	first, let := gated(t)
	ended := begin(t, p, first)
	behind := follows(t, t.Context(), p, job(t, "noop"))
	if err := p.Resize(0); err != nil {
		t.Fatal(err)
	}
	until(t, "it waits for a place", func() bool { b, w := waits(p); return b == 0 && w == 1 })
	let()
	if r := within(t, time.Minute, ended); r.Status != OK {
		t.Errorf("the first: %+v", r)
	}
	until(t, "the child is gone", func() bool { return len(p.PIDs()) == 0 })
	p.Pool.Close()
	if r := within(t, time.Minute, behind); r.Status != Unstarted || len(began()) != 1 {
		t.Errorf("the second: %+v, want it unstarted; begun are %v", r, began())
	}
}

func TestTheContextOfAJobBehind(t *testing.T) {
	p, began := eager(t, Settings{Size: 1})
	first, let := gated(t)
	ended := begin(t, p, first)
	ctx, cancel := context.WithCancel(t.Context())
	behind := follows(t, ctx, p, job(t, "noop"))
	cancel()
	if r := within(t, time.Minute, behind); r.Status != Unstarted {
		t.Errorf("%+v, want it unstarted", r)
	}
	let()
	if r := within(t, time.Minute, ended); r.Status != OK {
		t.Errorf("the first: %+v", r)
	}
	if r := p.Run(t.Context(), job(t, "noop")); r.Status != OK || len(began()) != 2 {
		t.Errorf("the next: %+v; begun are %v", r, began())
	}
}

// Kill of a job that waits behind another finds nothing that runs. Its context is asked once more before it does.
func TestKillOfAJobBehind(t *testing.T) {
	p, began := eager(t, Settings{Size: 1})
	pid := p.PIDs()[0]
	first, let := gated(t)
	ended := begin(t, p, first)
	second, third := job(t, "pid"), job(t, "noop")
	ctx := &revocable{Context: t.Context()}
	behind := follows(t, ctx, p, second)
	ctx.ended.Store(true)
	if p.Kill(second.Attempt, syscall.SIGKILL) || p.Pool.(Locator).Locate(second.Attempt) != 0 {
		t.Error("a job was found to run that waits")
	}
	let()
	if r := within(t, time.Minute, ended); r.Status != OK {
		t.Errorf("the first: %+v", r)
	}
	if r := within(t, time.Minute, behind); r.Status != Unstarted {
		t.Errorf("the second: %+v, want it unstarted", r)
	}
	if r := p.Run(t.Context(), third); r.Status != OK || !slices.Equal(p.PIDs(), []int{pid}) || len(began()) != 2 {
		t.Errorf("the third: %+v, in %v, and %d was the child; begun are %v", r, p.PIDs(), pid, began())
	}
}

// A child meets the next job where it waits for the answer to a Send.
func TestSendWhileAJobWaitsBehind(t *testing.T) {
	p, _ := eager(t, Settings{Size: 1})
	first := job(t, "send 5")
	asked, answer := make(chan bool, 5), make(chan bool)
	first.Send = func(brokers.Message) error {
		asked <- true
		<-answer
		return nil
	}
	ended := begin(t, p, first)
	<-asked
	behind := follows(t, t.Context(), p, job(t, "value 3"))
	close(answer)
	if r := within(t, time.Minute, ended); r.Status != Failed || r.Err.Error() != "0 failed, 0 of them surely" {
		t.Errorf("the first: %+v", r)
	}
	if r := within(t, time.Minute, behind); r.Status != OK || len(r.Value) == 0 {
		t.Errorf("the second: %+v", r)
	}
}

// What waits behind another does not use up its time.
func TestHardLimitOfAJobBehind(t *testing.T) {
	for task, want := range map[string]Status{"deaf 100": OK, "deaf 60000": TimedOut} {
		p, _ := eager(t, Settings{Size: 1})
		first := job(t, "deaf 700")
		ended := begin(t, p, first)
		second := job(t, task)
		second.Hard = 500 * time.Millisecond
		began := time.Now()
		behind := follows(t, t.Context(), p, second)
		if r := within(t, time.Minute, ended); r.Status != OK {
			t.Errorf("the first: %+v", r)
		}
		if r := within(t, time.Minute, behind); r.Status != want {
			t.Errorf("the second: %+v, want status %d", r, want)
		}
		if took := time.Since(began); want == TimedOut && took < 1100*time.Millisecond {
			t.Errorf("its limit of 500 ms ended it %v after it was sent, behind a job of 700 ms", took)
		}
	}
}

// Each line of output is that of the task that printed it, though the next one prints before it is known to have begun.
func TestOutputOfJobsBehind(t *testing.T) {
	log := &record{}
	p, _ := eager(t, Settings{Size: 2, Log: log.logger(), Capture: true})
	var all sync.WaitGroup
	const callers, jobs = 8, 100
	for range callers {
		all.Go(func() {
			for range jobs {
				if r := p.Run(t.Context(), job(t, "print")); r.Status != OK {
					t.Errorf("%+v", r)
				}
			}
		})
	}
	all.Wait()
	line := regexp.MustCompile(`task=print id=id-(\d+) pid=\d+ line="?([^"]*)"?\n`)
	said := map[string][]string{}
	for _, m := range line.FindAllStringSubmatch(log.String(), -1) {
		said[m[1]] = append(said[m[1]], m[2])
	}
	if len(said) != callers*jobs {
		t.Errorf("%d tasks are said to have printed, want %d", len(said), callers*jobs)
	}
	wrong := 0
	for number, lines := range said {
		if want := []string{"one of " + number, "two", "three and more"}; !slices.Equal(lines, want) {
			if wrong++; wrong < 5 {
				t.Errorf("task %s is said to have printed %q", number, lines)
			}
		}
	}
	if wrong > 0 {
		t.Errorf("%d tasks are said to have printed what they have not", wrong)
	}
}

// A revocable context ends without waking anybody.
type revocable struct {
	context.Context
	ended atomic.Bool
}

func (r *revocable) Err() error {
	if r.ended.Load() {
		return errors.New("revoked")
	}
	return nil
}

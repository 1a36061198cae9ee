package pool

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"taskbench/brokers"
)

// eager opens a prefork pool in which any job may wait behind any other, for as long as it takes, and tells which
// attempts its children have begun, in their order.
func eager(t testing.TB, s Settings) (p managed, began func() []uint64) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "runs")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(runsEnv, path)
	p = open(t, "prefork", s)
	until(t, "all children are there", func() bool { return len(p.PIDs()) == s.Size })
	change(p, func(l *line) { l.brief, l.patience = time.Hour, time.Hour })
	return p, func() (all []uint64) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Fields(string(text)) {
			n, _ := strconv.ParseUint(line, 10, 64)
			all = append(all, n)
		}
		return all
	}
}

// change does something to a pool's line.
func change(p managed, to func(*line)) {
	l := &p.Pool.(*prefork).line
	l.mu.Lock()
	defer l.mu.Unlock()
	to(l)
}

// waits counts the jobs that wait behind others, and the callers that wait for a place.
func waits(p managed) (behind, waiting int) {
	change(p, func(l *line) {
		for c := l.behind.first; c != nil; c = c.next {
			behind++
		}
		for c := l.waiting.first; c != nil; c = c.next {
			waiting++
		}
	})
	return behind, waiting
}

// gated is a job that runs until it is let go.
func gated(t testing.TB) (j *Job, let func()) {
	path := filepath.Join(t.TempDir(), "gate")
	j = job(t, "gate "+path)
	return j, func() {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Error(err)
		}
	}
}

// follows runs a job that has to wait behind another.
func follows(t testing.TB, ctx context.Context, p managed, j *Job) <-chan Result {
	t.Helper()
	before, _ := waits(p)
	ended := make(chan Result, 1)
	go func() { ended <- p.Run(ctx, j) }()
	until(t, "the job waits behind another", func() bool {
		now, _ := waits(p)
		return now == before+1
	})
	return ended
}

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

func TestNoJobWaitsBehindWhileAChildIsIdle(t *testing.T) {
	p, _ := eager(t, Settings{Size: 2})
	one, letOne := gated(t)
	two, letTwo := gated(t)
	first, second := begin(t, p, one), begin(t, p, two)
	behind := follows(t, t.Context(), p, job(t, "noop")) // behind one
	letTwo()
	within(t, time.Minute, second)
	if r := within(t, time.Minute, behind); r.Status != OK {
		t.Errorf("%+v, want it run by the child that became idle", r)
	}
	// The first, at which one was recalled, gets no other: they would pile up in its pipe.
	again, letAgain := gated(t)
	third := begin(t, p, again)
	other := follows(t, t.Context(), p, job(t, "pid"))
	change(p, func(l *line) {
		for _, d := range l.desks {
			if d.first.job == one && d.second != nil {
				t.Error("a second job waits behind one from behind which another was recalled")
			}
		}
	})
	letOne()
	letAgain()
	for _, ended := range []<-chan Result{first, third, other} {
		within(t, time.Minute, ended)
	}
}

// A job that has waited long behind another is the first to get a place.
func TestPatienceBehindALongJob(t *testing.T) {
	p, began := eager(t, Settings{Size: 2})
	one, letOne := gated(t)
	two, letTwo := gated(t)
	first, second := begin(t, p, one), begin(t, p, two)
	early, late := job(t, "noop"), job(t, "noop")
	ended := []<-chan Result{follows(t, t.Context(), p, early)} // behind one
	change(p, func(l *line) { l.brief = 0 })
	rest := make(chan Result, 1)
	go func() { rest <- p.Run(t.Context(), late) }()
	until(t, "the late one waits for a place", func() bool { _, w := waits(p); return w == 1 })
	change(p, func(l *line) { l.patience = patiently; l.clock.Reset(0) })
	until(t, "both wait for a place", func() bool { b, w := waits(p); return b == 0 && w == 2 })
	letTwo()
	for _, e := range append(ended, rest, second) {
		if r := within(t, time.Minute, e); r.Status != OK {
			t.Errorf("%+v", r)
		}
	}
	if all := began(); !slices.Equal(all[2:], []uint64{early.Attempt, late.Attempt}) {
		t.Errorf("begun are %v, want %d before %d", all, early.Attempt, late.Attempt)
	}
	letOne()
	within(t, time.Minute, first)
}

// Jobs wait behind others only where these have shown to be brief.
func TestWhereJobsAreLongNoneWaitsBehind(t *testing.T) {
	p, _ := eager(t, Settings{Size: 1})
	change(p, func(l *line) { l.brief = briefly })
	held := func() (ended, next <-chan Result, let func()) {
		first, let := gated(t)
		ended = begin(t, p, first)
		other := make(chan Result, 1)
		go func() { other <- p.Run(t.Context(), job(t, "noop")) }()
		return ended, other, let
	}
	long := func(after string) {
		ended, next, let := held()
		until(t, "it waits", func() bool { b, w := waits(p); return b+w == 1 })
		if b, _ := waits(p); b != 0 {
			t.Errorf("%s: a job waits behind another", after)
		}
		let()
		within(t, time.Minute, ended)
		within(t, time.Minute, next)
	}
	long("in a new pool")
	until(t, "jobs are brief", func() bool {
		p.Run(t.Context(), job(t, "noop"))
		var pace time.Duration
		change(p, func(l *line) { pace = l.pace })
		return pace < briefly/2
	})
	ended, next, let := held()
	until(t, "it waits behind", func() bool { b, _ := waits(p); return b == 1 })
	let()
	within(t, time.Minute, ended)
	within(t, time.Minute, next)
	for range 4 {
		p.Run(t.Context(), job(t, "nap 10"))
	}
	long("after long ones")
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

// A child that was sent a job can be killed over it before it has read it.
func TestKillOfAJobThatIsNotRead(t *testing.T) {
	p, began := eager(t, Settings{Size: 1})
	pid := p.PIDs()[0]
	syscall.Kill(pid, syscall.SIGSTOP)
	until(t, "all threads of the child have stopped", func() bool {
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		return len(threads) > 0 && !slices.ContainsFunc(threads, func(path string) bool {
			text, _ := os.ReadFile(path)
			return !strings.Contains(string(text), ") T ")
		})
	})
	first := job(t, "noop")
	ended := make(chan Result, 1)
	go func() { ended <- p.Run(t.Context(), first) }()
	second := make(chan Result, 1)
	until(t, "it is the child's", func() bool { return p.Pool.(Locator).Locate(first.Attempt) == pid })
	go func() { second <- p.Run(t.Context(), job(t, "noop")) }()
	if !p.Kill(first.Attempt, syscall.SIGKILL) {
		t.Error("it was not found")
	}
	if r := within(t, time.Minute, ended); r.Status != Killed || !r.Terminated {
		t.Errorf("%+v, want it terminated", r)
	}
	if r := within(t, time.Minute, second); r.Status != OK || len(began()) != 1 {
		t.Errorf("%+v; begun are %v", r, began())
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

// The start of a prompt job is told in a frame, as its message is acknowledged then; that of any other is noted down.
func TestPromptStart(t *testing.T) {
	for _, prompt := range []bool{true, false} {
		in, out, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { in.Close() })
		c := &child{word: out, notes: make([]note, 1), orders: orders{Seats: 1}, run: perform}
		j := job(t, "noop")
		j.Prompt, j.Started = prompt, func() {}
		if err := j.encode(); err != nil {
			t.Fatal(err)
		}
		c.notes[0].offer(1)
		c.notes[0].take(1)
		_, _, rest, err := about(j.frame[4:])
		if err != nil {
			t.Fatal(err)
		}
		if r := c.job(t.Context(), &c.notes[0], 1, rest, &sender{child: c}); r.Status != OK {
			t.Fatalf("%+v", r)
		}
		out.Close()
		payload, err := readFrame(bufio.NewReader(in))
		if told := err == nil && payload[0] == frameStarted; told != prompt || c.notes[0].turn(1).started.Load() == 0 {
			t.Errorf("prompt %t: told %t (%v), noted down %d", prompt, told, err, c.notes[0].turn(1).started.Load())
		}
	}
}

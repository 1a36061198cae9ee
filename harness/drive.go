package harness

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"time"

	"taskbench/brokers"
	"taskbench/harness/ledger"
	"taskbench/harness/load"
	"taskbench/harness/systems/native"
	"taskbench/harness/tasks"
)

// A course is how the driving of one cell went, up to the moment when the workers are told to leave.
type course struct {
	load     load.Report
	paced    int64 // when the last task could be due; times are nanoseconds since the load began
	loadEnd  int64 // when the last publish was answered
	faults   []injection
	drain    drained
	warnings []string
	aborted  string // why the history is not whole
	terms    []ledger.Terms
	full     error // of a run that was cut short for want of room
}

// drive offers the load, breaks and heals by schedule, and drains to quiet.
func (s *stage) drive(ctx context.Context) course {
	var c course
	mix, err := tasks.NewMix(s.cell.Scenario.Workload, s.plan.Seed, tasks.Env{
		Iterations: s.iterations, Slow: s.slow, Marks: filepath.Join(s.evidence, "marks"),
	})
	if err != nil {
		return course{aborted: fmt.Sprintf("prepare the workload: %v", err)}
	}
	c.terms = mix.Terms()
	s.terms = c.terms
	if err := s.formChords(ctx, mix); err != nil {
		return course{aborted: err.Error()}
	}
	pace, err := s.pace()
	if err != nil {
		return course{aborted: fmt.Sprintf("pace the load: %v", err)}
	}
	// A little in the future, so that the first tasks are not late already.
	begin := time.Now().Add(100 * time.Millisecond)
	s.start = ledger.Now() + int64(time.Until(begin))
	if s.ticks != nil {
		s.ticks.origin(begin)
	}
	s.recorder = ledger.NewRecorder(s.run, s.start)
	s.recorder.Bodies(s.chords.IsBody)
	s.collector = ledger.NewCollector(s.evidence, s.recorder)
	s.startSoak()

	ctx, cut := context.WithCancelCause(ctx)
	defer cut(nil)
	driving, stop := context.WithCancel(ctx)
	defer stop()
	collecting := make(chan error, 1)
	go func() { collecting <- s.collector.Run(driving) }()
	s.sample(driving)
	cutting := make(chan struct{})
	go func() {
		defer close(cutting)
		if s.soak != nil {
			s.soak.run(driving)
		}
	}()
	faulty := make(chan []injection, 1)
	go func() { faulty <- s.breakAndHeal(driving, begin) }()
	watching := make(chan struct{})
	go func() { defer close(watching); s.watch(driving, cut, begin) }()

	c.load, err = load.Run(ctx, load.Plan{
		Due:    pace,
		Start:  begin,
		Origin: s.start,
		Open:   s.open,
		Message: func(seq uint64) brokers.Message {
			s.recorder.Terms(seq, mix.TermsOf(seq))
			m := mix.Message(seq, s.run.ID(seq), queue)
			if s.replies != nil {
				m.ReplyTo = native.Replies
			}
			mix.Ask(&m, seq, begin.Add(time.Duration(s.recorder.DueAt(seq))))
			if s.chords.Size() > 0 {
				s.chords.Enlist(&m, seq, s.run.ID(s.chords.BodyOf(seq)))
			}
			return m
		},
		Others:     s.chords.IsBody,
		Record:     s.recorder,
		Publishers: s.cell.Scenario.Load.Publishers,
	})
	if err != nil {
		c.aborted = fmt.Sprintf("the load was cut short: %v", err)
	}
	c.loadEnd, c.paced = s.now(), max(s.paced.Load(), int64(s.span()))
	c.faults = <-faulty // every fault that was injected is healed by now, or said that it could not be
	for _, f := range c.faults {
		if f.err != nil {
			c.warnings = append(c.warnings, fmt.Sprintf("line %d of the schedule: %v", f.number, f.err))
		}
	}
	if late := delayed(c.faults); late != "" {
		c.warnings = append(c.warnings, late)
	}
	if c.aborted == "" {
		c.drain = s.drainToQuiet(ctx)
		if s.ticks != nil {
			s.ticks.await(ctx, c.loadEnd)
		}
		c.aborted = c.drain.aborted
	}
	stop()
	<-watching
	<-cutting
	if err := <-collecting; err != nil {
		c.aborted = err.Error()
	}
	if full := (FullError{}); errors.As(context.Cause(ctx), &full) {
		c.full = full
	}
	return c
}

// flush reads the evidence to its end, once its writers are gone.
func (s *stage) flush() (err error) {
	if s.collector == nil {
		return nil
	}
	s.collected, err = s.collector.Flush()
	s.collector.Close()
	return err
}

func (s *stage) open(ctx context.Context) (brokers.Broker, error) {
	b, err := s.cell.Driver.Open(ctx, s.sendURL, s.cell.Variant)
	if err == nil && s.counter != nil {
		b = announcer{b, s}
	}
	return b, err
}

// now is the time since the load began.
func (s *stage) now() int64 { return ledger.Now() - s.start }

// The purposes of chance in a cell; the faults take the numbers from firstFault on.
const (
	runTag uint64 = iota
	morePace
	firstFault
)

// random is a source of chance of its own for each purpose in each cell, all from the run's seed.
func (s *stage) random(purpose uint64) *rand.Rand {
	return rand.New(rand.NewPCG(s.plan.Seed, uint64(s.index)<<16|purpose))
}

// watch tells the progress four times a second until the driving is over, which it cuts short when the room for the
// evidence is about to run out.
func (s *stage) watch(ctx context.Context, cut context.CancelCauseFunc, begin time.Time) {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	last, at := s.recorder.Live(), time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			live, took := s.recorder.Live(), now.Sub(at).Seconds()
			s.clock.tell(Progress{
				Phase:     s.phaseAt(now.Sub(begin)),
				Offered:   float64(live.Due-last.Due) / took,
				Completed: float64(live.Executed-last.Executed) / took,
				Backlog:   int(max(0, live.Acknowledged-live.Executed)),
				Faults:    s.inForce(),
			})
			last, at = live, now
			if err := enoughRoom(s.plan.Dir, tooLittle); err != nil {
				cut(err)
			}
		}
	}
}

// phaseAt names the phase for people; the phases of the result follow what really happened.
func (s *stage) phaseAt(since time.Duration) string {
	l := s.cell.Scenario.Load
	switch {
	case since < l.Warmup:
		return "warmup"
	case len(s.inForce()) > 0:
		return "fault"
	case since >= l.Warmup+l.For && !s.unsettled():
		return "drain"
	case s.healedAny.Load():
		return "recovery"
	}
	return "steady"
}

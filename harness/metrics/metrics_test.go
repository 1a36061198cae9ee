package metrics

import (
	"context"
	"errors"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"taskbench/harness/lab"
	"taskbench/harness/ledger"
)

const ms = int64(time.Millisecond)

// history is one made by hand.
type history []ledger.Task

func (h history) Meta() ledger.Meta {
	return ledger.Meta{DrainEnded: 20e9}
}
func (h history) Len() int                       { return len(h) }
func (h history) Task(i int) ledger.Task         { return h[i] }
func (h history) All() iter.Seq[ledger.Task]     { return slices.Values(h) }
func (h history) Foreign() ([]ledger.Event, int) { return nil, 0 }

// task is due at a time, sent late, confirmed, started and finished after the given waits.
func task(seq int, due, late, confirm, wait, run int64) ledger.Task {
	t := ledger.Task{Seq: uint64(seq), Due: due, PublishStart: due + late, PublishEnd: due + late + confirm, Publish: ledger.PublishOK}
	started := t.PublishEnd + wait
	t.Attempts = []ledger.Attempt{{ID: uint64(seq) + 1, Received: started, Started: started, Finished: started + run, Acked: started + run + ms, Outcome: ledger.OK}}
	return t
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 0.001*math.Abs(want)+1e-9 {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// Each stage is measured between its own two moments, and due_to_finish keeps what send_to_finish omits.
func TestStages(t *testing.T) {
	var s Set
	s.Add(task(0, 100*ms, 5*ms, 7*ms, 11*ms, 13*ms))
	q := s.Quantiles()
	for stage, want := range map[string]float64{
		"due_to_publish": 0.005, "publish_to_confirm": 0.007, "confirm_to_start": 0.011, "start_to_finish": 0.013,
		"finish_to_ack": 0.001, "due_to_finish": 0.036, "send_to_finish": 0.031,
	} {
		near(t, stage, q[stage].P50, want)
		if q[stage].Count != 1 {
			t.Errorf("%s counted %d", stage, q[stage].Count)
		}
	}
	if _, ok := q["finish_to_result"]; ok {
		t.Error("a stage that was never reached has quantiles")
	}
}

// An outage of hours is measured, not clamped.
func TestOutageIsNotClamped(t *testing.T) {
	var s Set
	s.Add(task(0, 0, 5*int64(time.Hour), ms, ms, ms))
	near(t, "five hours", s.Quantiles()["due_to_finish"].Max, 5*3600+0.003)
}

// A start before the confirm was seen is a wait of zero, and counts.
func TestNegativeWait(t *testing.T) {
	x := task(0, 0, ms, 50*ms, -20*ms, ms)
	var s Set
	s.Add(x)
	if q := s.Quantiles()["confirm_to_start"]; q.Max != 0 || q.Count != 1 {
		t.Errorf("%+v", q)
	}
}

// Of a task that ran twice the first completion counts; one that never completed has no latency at all.
func TestFirstCompletion(t *testing.T) {
	x := task(0, 0, ms, ms, ms, ms)
	again := x.Attempts[0]
	again.Finished += 1000 * ms
	killed := ledger.Attempt{Started: ms, Finished: 2 * ms, Outcome: ledger.Killed}
	x.Attempts = []ledger.Attempt{again, killed, x.Attempts[0]}
	var s Set
	s.Add(x)
	near(t, "due_to_finish", s.Quantiles()["due_to_finish"].Max, 0.004)
	var none Set
	x.Attempts = []ledger.Attempt{killed}
	none.Add(x)
	if _, ok := none.Quantiles()["due_to_finish"]; ok {
		t.Error("a task that never completed has a latency")
	}
}

// Merging two sets is the same as recording everything in one; shifting every task shifts every quantile.
func TestMetamorphic(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		var a, b, both, shifted Set
		const shift = 250 * ms
		for i := range 500 {
			run := int64(r.ExpFloat64() * float64(20*ms))
			x := task(i, r.Int64N(1000*ms), ms, ms, ms, run)
			if i%2 == 0 {
				a.Add(x)
			} else {
				b.Add(x)
			}
			both.Add(x)
			shifted.Add(task(i, x.Due, ms+shift, ms, ms, run))
		}
		a.Merge(&b)
		merged, whole, late := a.Quantiles(), both.Quantiles(), shifted.Quantiles()
		for _, stage := range Stages {
			if merged[stage] != whole[stage] {
				t.Fatalf("seed %d, %s: merged %+v, whole %+v", seed, stage, merged[stage], whole[stage])
			}
		}
		x, y := whole["due_to_finish"], late["due_to_finish"]
		for _, pair := range [][2]float64{{x.P50, y.P50}, {x.P99, y.P99}, {x.Max, y.Max}} {
			if math.Abs(pair[1]-pair[0]-0.25) > 0.002*pair[1] {
				t.Errorf("seed %d: %v shifted by 0.25 is %v", seed, pair[0], pair[1])
			}
		}
	}
}

func TestMeasureByPhase(t *testing.T) {
	var h history
	for i := range 1000 { // 100/s for 10 s; those due in second 5 wait three seconds
		wait := ms
		if i/100 == 5 {
			wait = 3000 * ms
		}
		h = append(h, task(i, int64(i)*10*ms, ms, ms, wait, ms))
	}
	phases := []ledger.Phase{{Name: "warmup", From: 0, To: 1e9}, {Name: "steady", From: 1e9, To: 5e9}, {Name: "fault", From: 5e9, To: 6e9}, {Name: "recovery", From: 6e9, To: 10e9}}
	m := Measure(h, phases, 1e9, 10e9)
	if m.Whole.Quantiles()["due_to_finish"].Count != 900 {
		t.Errorf("the whole holds %d tasks, want the 900 after the warm-up", m.Whole.Quantiles()["due_to_finish"].Count)
	}
	near(t, "steady p99", m.Phases[1].Set.Quantiles()["due_to_finish"].P99, 0.004)
	near(t, "fault p50", m.Phases[2].Set.Quantiles()["due_to_finish"].P50, 3.003)
	near(t, "steady offered", m.Phases[1].Offered(), 100)
	if got := m.Phases[2].Completed; got > 1 {
		t.Errorf("%d tasks completed in the fault", got)
	}
	if got := m.Phases[3].Completed; got < 490 {
		t.Errorf("%d tasks completed in the recovery, want its own and those that waited", got)
	}
	if n := len(m.Rates.Due); n != 40 {
		t.Errorf("%d bins of due tasks, want 40 of 250 ms", n)
	}

	r := Recover(h, phases[1], 6e9, int64(6.5e9))
	near(t, "first publish", *r.FirstPublish, 0.002)
	near(t, "first completion", *r.FirstCompletion, 0.004)
	near(t, "to 90 %", *r.To90Percent, 0) // the second from the healing on completes a hundred
	near(t, "backlog drained", *r.BacklogDrained, 2.993)
}

// What was never seen is nil, not zero.
func TestNoRecovery(t *testing.T) {
	h := history{task(0, 0, ms, ms, ms, ms)}
	r := Recover(h, ledger.Phase{}, 5e9, 6e9)
	if r.FirstPublish != nil || r.FirstCompletion != nil || r.To90Percent != nil || r.BacklogDrained != nil {
		t.Errorf("%+v", r)
	}
}

func TestSlope(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	var leaking, flat []Sample
	for i := range 100 {
		at := float64(i) * 0.25
		noise := r.NormFloat64() * 1e5
		leaking = append(leaking, Sample{At: at, Stats: lab.Stats{RSS: int64(50e6 + 1e6*at + noise)}})
		flat = append(flat, Sample{At: at, Stats: lab.Stats{RSS: int64(50e6 + noise)}})
	}
	if s := RSSSlope(leaking, 0, 25); s.Low > 1e6 || s.High < 1e6 || s.Low <= 0 {
		t.Errorf("leaking 1 MB/s: %+v", s)
	}
	if s := RSSSlope(flat, 0, 25); s.Low > 0 || s.High < 0 {
		t.Errorf("flat: %+v", s)
	}
	if s := RSSSlope(leaking[:2], 0, 25); s != (Slope{}) {
		t.Errorf("two points: %+v", s)
	}
}

// CPU seconds go on counting when a node is killed and started again.
func TestSamplerCarriesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		readings := []float64{1, 2, 3, -1, 0.5, 1}
		i := 0
		s := Watch(t.Context(), "n", time.Now(), func(context.Context) (lab.Stats, error) {
			cpu := readings[min(i, len(readings)-1)]
			i++
			if cpu < 0 {
				return lab.Stats{}, errors.New("down")
			}
			return lab.Stats{CPUSeconds: cpu}, nil
		})
		<-time.After(SampleEvery*5 + SampleEvery/2) // virtual
		s.Stop()
		s.Stop()
		var got []float64
		for _, x := range s.Samples() {
			got = append(got, x.CPUSeconds)
		}
		if want := []float64{1, 2, 3, 3, 3.5}; !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	})
}

// A task waits in the broker from its confirm until a worker has received it; one whose publish was not acknowledged
// nobody waits for.
func TestWaiting(t *testing.T) {
	doubtful, inHand := task(3, 100*ms, 0, 0, 900*ms, 0), task(4, 100*ms, 0, 0, 900*ms, 0)
	doubtful.Publish = ledger.PublishUnknown
	inHand.Attempts[0].Received = 150 * ms // prefetched
	never := task(5, 100*ms, 0, 0, 0, 0)
	never.Attempts = nil
	h := history{task(0, 100*ms, 0, 10*ms, 500*ms, 1*ms), task(1, 100*ms, 0, 300*ms, 1*ms, 1*ms), task(2, 100*ms, 0, 0, 0, 1*ms), doubtful, inHand, never}
	if got := Waiting(h, []int64{50 * ms, 200 * ms, 800 * ms}); !slices.Equal(got, []int{0, 2, 1}) {
		t.Errorf("%d waited, want 0, 2 and 1", got)
	}
}

package harness

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"time"

	"taskbench/harness/checks"
	"taskbench/harness/ledger"
	"taskbench/harness/metrics"
)

// A load of more than cutBeyond is cut into pieces of the history, so that memory does not grow with the time. A piece
// is the tasks that fell due in pieceSpan, or pieceTasks of them, whichever comes first.
const (
	cutBeyond  = 20 * time.Minute
	pieceSpan  = 5 * time.Minute
	pieceTasks = 1 << 20
)

// pieceOf is for how long the tasks of a piece fall due: what was asked for, or what the rule says; 0 is one piece.
func pieceOf(asked, span time.Duration) time.Duration {
	switch {
	case asked > 0:
		return asked
	case span > cutBeyond:
		return pieceSpan
	}
	return 0
}

// A soak cuts the history of a long run into pieces while the run goes on, and says after each how it stands. What it
// says is a sum over pieces; the judgement at the end reads all of them, with what came late, and owes nothing to it.
type soak struct {
	stage  *stage
	cutter *ledger.Cutter
	piece  time.Duration
	cell   Cell          // before the run
	cuts   []cut         // of tasks that are in no piece yet
	counts checks.Counts // of the pieces
	warmUp checks.Counts
	whole  metrics.Set
	rates  metrics.Rates
	stuck  string // what went wrong last, and was said
}

// A cut is where a piece is to end.
type cut struct {
	task uint64
	at   int64 // when it was made, nanoseconds since the load began
}

// startSoak makes the recorder's history one in pieces.
func (s *stage) startSoak() {
	if s.cell.Piece <= 0 {
		return
	}
	s.soak = &soak{stage: s, piece: s.cell.Piece, cell: s.described(newCell(s.cell)),
		cutter: ledger.NewCutter(s.recorder, filepath.Join(s.plan.Dir, historyFile(s.cell)))}
	s.collector.GiveBack()
}

// run cuts and seals until ctx ends.
func (k *soak) run(ctx context.Context) {
	tick := time.NewTicker(min(time.Second, max(k.piece/8, 10*time.Millisecond)))
	defer tick.Stop()
	last, next := uint64(0), int64(k.piece)
	k.report() // a run that is killed early has left a result, too
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		k.turnLogs()
		now, due := k.stage.now(), k.cutter.Due()
		if now >= next || due-last >= pieceTasks {
			if due > last {
				k.cuts = append(k.cuts, cut{due, now})
			}
			last, next = due, now+int64(k.piece)
		}
		for len(k.cuts) > 0 && k.ripe(k.cuts[0], now) && k.seal(k.cuts[0]) {
			k.cuts = k.cuts[1:]
		}
	}
}

// ripe tells whether a piece can be sealed: when nothing more is expected of its tasks, and at the latest another piece's
// time after its end. Publishes that have not ended are waited for in any case.
func (k *soak) ripe(c cut, now int64) bool {
	published, settled := k.cutter.Ready(c.task)
	return published && (settled || now-c.at >= int64(k.piece))
}

// seal stores a piece and tells how the run stands.
func (k *soak) seal(c cut) bool {
	s := k.stage
	meta := s.meta(s.courseSoFar())
	err := k.cutter.Seal(c.task, meta, k.add)
	if err == nil {
		err = k.cutter.Save(meta)
	}
	if err != nil {
		k.complain(fmt.Errorf("a piece of the history could not be stored, and is kept in memory: %w", err))
		return false
	}
	k.report()
	if err := enoughRoom(s.plan.Dir, s.cell.needFrom(time.Duration(c.at))); err != nil {
		k.complain(fmt.Errorf("the room will not last to the end: %w", err))
	}
	return true
}

// complain says what goes wrong, and is tried again, once.
func (k *soak) complain(err error) {
	if k.stuck != err.Error() {
		k.stuck = err.Error()
		k.stage.clock.note(k.stuck)
	}
}

// turnLogs keeps the nodes' logs small.
func (k *soak) turnLogs() {
	for _, name := range k.cell.Logs {
		if err := turnLog(filepath.Join(k.stage.plan.Dir, name), logMost); err != nil {
			k.complain(err)
		}
	}
}

// add sums up a piece.
func (k *soak) add(piece *ledger.Frozen) {
	measured, warmUp := checks.Count(piece)
	k.counts, k.warmUp = k.counts.Plus(measured), k.warmUp.Plus(warmUp)
	l := k.stage.cell.Scenario.Load
	m := metrics.Measure(lasting{piece, int64(l.Warmup + l.For)}, nil, int64(l.Warmup), math.MaxInt64)
	k.whole.Merge(&m.Whole)
	k.rates.Add(m.Rates)
}

// lasting is a history that is measured as one of a length, so that pieces are measured alike.
type lasting struct {
	ledger.History
	end int64
}

// Meta implements ledger.History.
func (l lasting) Meta() ledger.Meta {
	m := l.History.Meta()
	m.DrainEnded = l.end
	return m
}

// report tells the cell as it stands, of which no more is judged than the counts of its pieces.
func (k *soak) report() {
	s, c := k.stage, k.stage.courseSoFar()
	pieces, until := k.cutter.Pieces(), int64(0)
	missing, late := k.cutter.Missing()
	cell := k.cell
	if n := len(pieces); n > 0 {
		until = pieces[n-1].Ended
		cell.History = historyFile(s.cell)
		s.clock.note(fmt.Sprintf("piece %d is stored: of %d tasks acknowledged until %v %d have not run yet; %d ran again so far",
			n, k.counts.Acknowledged, time.Duration(until).Round(time.Second), missing, s.recorder.Live().Duplicates))
	}
	cell.Counts = Counts{
		Attempted: k.counts.Attempted, Acknowledged: k.counts.Acknowledged, Refused: k.counts.Refused, Unknown: k.counts.Unknown,
		Executed: k.counts.Executed, Duplicated: k.counts.Duplicated, Recovered: k.counts.Recovered, Unexpected: k.counts.Unexpected,
		Retried: k.counts.Retried, Concurrent: k.counts.Concurrent, Failed: k.counts.Failed, Malformed: k.counts.Malformed, Redelivered: k.counts.Redelivered,
	}
	cell.Warnings = []string{fmt.Sprintf("in progress: the counts are of the tasks that were due in the first %v, in %d of the run's pieces, as they stood when each was stored; "+
		"%d acknowledged tasks of these have not been run yet, and of %d more has come late. What only the whole shows is judged at the end",
		time.Duration(until).Round(time.Second), len(pieces), missing, late)}
	cell.Warnings = append(cell.Warnings, s.deaths.list()...)
	cell.Latency = latencies(k.whole)
	if measured := seconds(until) - s.cell.Scenario.Load.Warmup.Seconds(); measured > 0 {
		cell.Throughput = Throughput{Offered: float64(k.counts.Due) / measured, Completed: float64(k.counts.Executed) / measured}
	}
	cell.Faults = faultResults(c.faults, s.cell.Scenario.Load.Warmup)
	cell.Resources, cell.Series.Nodes = s.resources(c)
	cell.Series.Step = k.rates.Step.Seconds()
	cell.Series.Offered, cell.Series.Completed = k.rates.PerSecond(k.rates.Due), k.rates.PerSecond(k.rates.Completed)
	cell.Expectations = s.expectations(cell, goesOn)
	if s.interim != nil {
		s.interim(cell)
	}
}

// goesOn is why a history that is being written is not whole.
const goesOn = "the run had not ended"

// courseSoFar is what of the course is known while the run goes on.
func (s *stage) courseSoFar() course {
	c := course{aborted: goesOn, terms: s.terms, faults: s.faultsSoFar(), loadEnd: s.now(), paced: s.now()}
	c.drain.ended, c.drain.ready = c.loadEnd, -1
	return c
}

package checks

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"taskbench/harness/ledger"
)

// A scope is what all checks of one pass know of the run.
type scope struct {
	ledger.Meta
	due       int // tasks
	run       ledger.Run
	left      map[uint64]bool // known by name to be in the broker still
	anonymous int             // messages in the broker whose names are not known
	foreign   []ledger.Event
	bodies    map[uint64]bool // of chords
	nForeign  int

	blind     string // why absence of evidence proves nothing; "" when it does
	undrained string // blind, or why a missing task may yet come; "" after a full drain
}

func newScope(h ledger.History) *scope {
	s := &scope{Meta: h.Meta(), due: h.Len(), left: map[uint64]bool{}}
	s.foreign, s.nForeign = h.Foreign()
	s.run, _ = ledger.ParseRun(s.Run) // without it findings have no ids
	for _, seq := range s.LeftIDs {
		s.left[seq] = true
	}
	s.bodies = map[uint64]bool{}
	for _, c := range s.Chords {
		s.bodies[c.Body] = true
	}
	s.anonymous = max(0, s.Left-len(s.left))
	switch {
	case s.Aborted != "":
		s.blind = "the run was cut short: " + s.Aborted
	case s.Unrecorded > 0:
		s.blind = fmt.Sprintf("%d events could not be recorded", s.Unrecorded)
	}
	switch left := max(s.Left, len(s.left)); {
	case s.blind != "":
		s.undrained = s.blind
	case left > 0:
		s.undrained = fmt.Sprintf("the drain did not end: %d messages were left in the broker", left)
	case !s.Drained:
		s.undrained = "the drain did not end"
	}
	return s
}

// A subject is one task with what several checks want to know of it.
type subject struct {
	*ledger.Task
	terms     ledger.Terms
	asked     bool // its terms are known
	stray     bool // was never due
	left      bool // is still in the broker
	aside     bool // was kept aside by a worker
	unrun     bool // was acknowledged unrun by a worker that took it when it had expired
	started   bool
	succeeded bool // some attempt ended well
	completed int  // attempts that ran it to its end
	retries   int  // attempts that asked for another
}

func (sc *scope) subject(t *ledger.Task) subject {
	s := subject{Task: t, stray: t.Seq >= uint64(sc.due)}
	s.terms, s.asked = sc.Asked(t)
	s.left = len(sc.left) > 0 && sc.left[t.Seq]
	for i := range t.Attempts {
		a := &t.Attempts[i]
		s.started = s.started || a.Started != 0
		s.aside = s.aside || a.Malformed
		s.unrun = s.unrun || s.terms.Expires > 0 && a.Started == 0 && a.Acked >= s.expiry()-drift
		switch a.Outcome {
		case ledger.OK:
			s.completed++
			s.succeeded = true
		case ledger.Failed, ledger.TimedOut:
			s.completed++
		case ledger.Retried:
			s.retries++
		}
	}
	return s
}

// How the publish went. A publish that began and whose end is not known is unknown.
func (s *subject) attempted() bool    { return s.PublishStart != 0 || s.Publish != ledger.Unpublished }
func (s *subject) acknowledged() bool { return s.Publish == ledger.PublishOK }
func (s *subject) refused() bool      { return s.Publish == ledger.PublishFailed }
func (s *subject) unknown() bool {
	return s.Publish == ledger.PublishUnknown || s.PublishStart != 0 && s.Publish == ledger.Unpublished
}

// What became of it.
func (s *subject) executed() bool  { return s.completed > 0 }
func (s *subject) stuck() bool     { return !s.executed() && s.left }
func (s *subject) keptAside() bool { return !s.executed() && !s.left && s.aside }
func (s *subject) lapsed() bool    { return !s.executed() && !s.left && !s.aside && s.unrun }
func (s *subject) missing() bool   { return !s.executed() && !s.left && !s.aside && !s.unrun }

// drift is how far the wall clock, by which workers see to times in messages, may have gone from the run's own.
const drift = int64(20 * time.Millisecond)

// The moments that its terms name, since the run's start.
func (s *subject) eta() int64    { return s.Due + s.terms.ETA }
func (s *subject) expiry() int64 { return s.Due + s.terms.Expires }

// setting is a duration among the run's settings, or what it is when the run does not say.
func (sc *scope) setting(key string, otherwise time.Duration) int64 {
	if d, err := time.ParseDuration(sc.Settings[key]); err == nil && d > 0 {
		return int64(d)
	}
	return int64(otherwise)
}

// disturbed tells whether a fault was in force at some time of a span, or had been up to calm before it.
func (sc *scope) disturbed(from, to, calm int64) bool {
	for _, f := range sc.Faults {
		if f.At <= to && (f.Healed == 0 || f.Healed+calm >= from) {
			return true
		}
	}
	return false
}

// hurt tells whether a fault on a node was in force at some time of a span.
func (sc *scope) hurt(node uint16, from, to int64) bool {
	if from > to || int(node) >= len(sc.Nodes) {
		return false
	}
	return slices.ContainsFunc(sc.Faults, func(f ledger.FaultSpan) bool {
		return f.Node == sc.Nodes[node] && f.At <= to && (f.Healed == 0 || f.Healed >= from)
	})
}

// byBegin are the faults in order of their beginning.
func (sc *scope) byBegin() []ledger.FaultSpan {
	return slices.SortedStableFunc(slices.Values(sc.Faults), func(a, b ledger.FaultSpan) int { return cmp.Compare(a.At, b.At) })
}

// A fault's effect on connections may outlast its healing by so much: what a worker may take to notice that a link
// is dead and to come back.
const aftermath = int64(15 * time.Second)

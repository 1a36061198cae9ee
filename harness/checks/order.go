package checks

import (
	"cmp"
	"math"
	"slices"

	"taskbench/harness/ledger"
)

func init() {
	register(Check{
		Name: "order",
		Doc: "Tasks that a worker first received after a task of the same key whose publish began only when theirs had been acknowledged. " +
			"Examined where the broker promises order and one worker takes one message at a time. Tasks without a key have that of their " +
			"queue; tasks that were to wait for a time have none. Not found of one that had not been received when a fault began: a worker " +
			"may have had it, and been cut off before it could say so.",
		begin: order,
	})
}

// A turn is a task as its key's queue saw it.
type turn struct {
	seq, key                 uint64
	terms                    uint8
	began, confirmed, handed int64
}

func order(sc *scope) judge {
	b := book{sc: sc}
	l := line{latest: map[group]int64{}}
	queues := map[string]uint8{} // the terms that stand for all without keys of a queue
	return judge{
		see: func(s *subject) {
			if !sc.Ordered || !s.acknowledged() || s.terms.ETA != 0 {
				return
			}
			at := firstReceived(s)
			if at == 0 || sc.disturbed(s.PublishEnd, at, 0) {
				return // with a fault in between it may have been in the hands of one who did not come to say so
			}
			b.v.Examined++
			t := turn{seq: s.Seq, terms: s.Terms, began: s.PublishStart, confirmed: s.PublishEnd, handed: at}
			if s.terms.Keys > 0 {
				t.key = 1 + s.Seq%uint64(s.terms.Keys)
			} else {
				if _, there := queues[s.terms.Queue]; !there {
					queues[s.terms.Queue] = s.Terms
				}
				t.terms = queues[s.terms.Queue]
			}
			l.add(t, s.Due)
		},
		end: func() Verdict {
			l.settle(math.MaxInt64)
			slices.SortFunc(l.late, bySeq)
			b.v.Count = l.dropped // counted, and too many to be named
			for _, t := range l.late {
				b.found(&subject{Task: &ledger.Task{Seq: t.seq}}, 1, "acknowledged at %s and first received at %s, after one that was published later",
					seconds(t.confirmed), seconds(t.handed))
			}
			nothing := "no task was published and received"
			if !sc.Ordered {
				nothing = "no order is promised, or more than one message was in the workers' hands at a time"
			}
			return b.present(nothing, sc.blind)
		},
	}
}

func firstReceived(s *subject) int64 {
	first := int64(0)
	for i := range s.Attempts {
		if at := received(&s.Attempts[i]); at != 0 && (first == 0 || at < first) {
			first = at
		}
	}
	return first
}

// A line finds the turns that came after one of their key that began when they had been confirmed.
type line struct {
	open    []turn // of which an earlier one may yet come
	at      int    // how many of them are looked for what is settled
	latest  map[group]int64
	late    []turn
	dropped int // of late, beyond those that are named
}

type group struct {
	terms uint8
	key   uint64
}

// opened is how many turns are kept before the settled ones among them are judged.
const opened = 1 << 16

// add takes the turns in order of their numbers, and so of when they were due: what comes next is handed out after that.
// So a long history needs no more memory than what its workers were behind.
func (l *line) add(t turn, due int64) {
	if l.open = append(l.open, t); len(l.open) < max(opened, l.at) {
		return
	}
	l.settle(due - slack)
	l.at = 2 * len(l.open)
}

// settle judges the turns that were handed out before a time.
func (l *line) settle(before int64) {
	slices.SortFunc(l.open, func(a, b turn) int {
		return cmp.Or(cmp.Compare(a.handed, b.handed), cmp.Compare(a.began, b.began))
	})
	n := 0
	for ; n < len(l.open) && l.open[n].handed < before; n++ {
		t := l.open[n]
		g := group{t.terms, t.key}
		if l.latest[g] > t.confirmed {
			l.late = append(l.late, t)
		}
		l.latest[g] = max(l.latest[g], t.began)
	}
	l.open = l.open[:copy(l.open, l.open[n:])]
	if len(l.late) > opened {
		slices.SortFunc(l.late, bySeq)
		l.dropped += len(l.late) - keptFindings
		l.late = l.late[:keptFindings]
	}
}

func bySeq(a, b turn) int { return cmp.Compare(a.seq, b.seq) }

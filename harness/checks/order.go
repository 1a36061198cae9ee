package checks

import (
	"cmp"
	"slices"

	"taskbench/harness/ledger"
)

func init() {
	register(Check{
		Name: "order",
		Doc: "Tasks that a worker first received after a task of the same key whose publish began only when theirs had been acknowledged. " +
			"Examined where the broker promises order and one worker takes one message at a time. Tasks without a key have that of their " +
			"queue; tasks that were to wait for a time have none.",
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
	var turns []turn
	queues := map[string]uint8{} // the terms that stand for all without keys of a queue
	return judge{
		see: func(s *subject) {
			if !sc.Ordered || !s.acknowledged() || s.terms.ETA != 0 {
				return
			}
			at := firstReceived(s)
			if at == 0 {
				return
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
			turns = append(turns, t)
		},
		end: func() Verdict {
			for _, t := range overtaken(turns) {
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

// overtaken are the turns that came after one of their key that began when they had been confirmed, by number.
func overtaken(turns []turn) []turn {
	slices.SortFunc(turns, func(a, b turn) int {
		return cmp.Or(cmp.Compare(a.handed, b.handed), cmp.Compare(a.began, b.began))
	})
	type group struct {
		terms uint8
		key   uint64
	}
	latest := map[group]int64{}
	var late []turn
	for _, t := range turns {
		g := group{t.terms, t.key}
		if latest[g] > t.confirmed {
			late = append(late, t)
		}
		latest[g] = max(latest[g], t.began)
	}
	slices.SortFunc(late, func(a, b turn) int { return cmp.Compare(a.seq, b.seq) })
	return late
}

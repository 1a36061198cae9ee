package checks

func init() {
	register(Check{
		Name: "starved",
		Doc: "Queues whose acknowledged tasks waited while none of them finished for longer than check stall allows, faults in force not " +
			"counted, and tasks of another queue did finish.",
		begin: starved,
	})
}

func starved(sc *scope) judge {
	b := book{sc: sc}
	queues := map[string]*timeline{}
	var names []string
	remains := sc.undrained != "" && sc.Left != 0
	return judge{
		see: func(s *subject) {
			if s.terms.Queue == "" || !s.acknowledged() {
				return
			}
			tl := queues[s.terms.Queue]
			if tl == nil {
				tl = newTimeline(sc)
				queues[s.terms.Queue] = tl
				names = append(names, s.terms.Queue)
			}
			b.v.Examined++
			tl.finished(s)
			tl.waits(s, s.left || remains)
		},
		end: func() Verdict {
			if len(names) < 2 {
				b.v.Examined = 0
			}
			for _, name := range names {
				for _, e := range queues[name].silences(sc) {
					for _, other := range names {
						if other != name && queues[other].busy(e) {
							b.among(e.tasks, "queue %s: from %s to %s nothing finished, though at least %d acknowledged tasks were waiting, %s, and those of %s went on",
								name, seconds(e.from), seconds(e.to), e.waiting, e.calmly(), other)
							break
						}
					}
				}
			}
			return b.absent("there were no tasks of two queues", sc.blind)
		},
	}
}

// busy tells whether something finished in the third quarter of the silence of another: of two that were silent together one
// may be back a little sooner.
func (tl *timeline) busy(e silence) bool {
	for at := (e.from + e.to) / 2; at < (e.from+3*e.to)/4; at += tl.width {
		if i := int(at / tl.width); i < len(tl.alive) && tl.alive[i] {
			return true
		}
	}
	return false
}

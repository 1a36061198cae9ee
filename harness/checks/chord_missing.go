package checks

import "taskbench/harness/ledger"

func init() {
	register(Check{
		Name:  "chord-missing",
		Doc:   "Chords whose header ended well and whose body never ran to its end, though the drain was full and it is neither in the broker nor kept aside.",
		begin: chordMissing,
	})
}

func chordMissing(sc *scope) judge {
	b := book{sc: sc}
	c := newChords(sc)
	return judge{
		see: c.see,
		end: func() Verdict {
			for i := range sc.Chords {
				chord := &sc.Chords[i]
				over := c.over(chord)
				if over == 0 || !c.whole(chord) {
					continue
				}
				b.v.Examined++
				if len(c.starts[chord.Body]) == 0 && !c.left[chord.Body] {
					b.found(&subject{Task: &ledger.Task{Seq: chord.Body}}, 1, "the header had ended well at %s, and the body never ran", seconds(over))
				}
			}
			return b.absent("there was no chord whose header ended well", sc.undrained)
		},
	}
}

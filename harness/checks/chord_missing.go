package checks

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
			for chord := range c.whole {
				over := c.over(chord)
				if over == 0 {
					continue
				}
				b.v.Examined++
				if len(c.starts[chord.Body]) == 0 && !c.left[chord.Body] {
					b.found(bodyOf(chord), 1, "the header had ended well at %s, and the body never ran", seconds(over))
				}
			}
			return b.absent("there was no chord whose header ended well", sc.undrained)
		},
	}
}

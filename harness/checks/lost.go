package checks

func init() {
	register(Check{
		Name: "lost",
		Doc: "Tasks that the broker acknowledged and nobody ran to the end, though the drain was full and they are neither in the " +
			"broker nor kept aside. Without a full drain: undecided, with those that must be lost whatever the messages left are.",
		begin: lost,
	})
}

func lost(sc *scope) judge {
	b := book{sc: sc}
	return judge{
		see: func(s *subject) {
			if !s.acknowledged() {
				return
			}
			b.v.Examined++
			if s.missing() {
				b.found(s, 1, "acknowledged at %s and never run to its end: %s", seconds(s.PublishEnd), story(s))
			}
		},
		end: func() Verdict {
			// Any of the missing may be one of the messages whose names are not known.
			b.v.Count = max(0, b.v.Count-sc.anonymous)
			return b.absent("no publish was acknowledged", sc.undrained)
		},
	}
}

// story says how far a task that was not executed came.
func story(s *subject) string {
	if len(s.Attempts) == 0 {
		return "no worker ever received it"
	}
	last := s.Attempts[len(s.Attempts)-1]
	how := "received"
	switch {
	case last.Returned:
		how = "given back"
	case last.Finished != 0:
		how = last.Outcome.String()
	case last.Started != 0 && last.Acked != 0:
		how = "acknowledged, started and not finished"
	case last.Started != 0:
		how = "started and not finished"
	case last.Acked != 0:
		how = "acknowledged and not started"
	}
	text := "its last attempt, from " + seconds(last.Since()) + ", was " + how
	if len(s.Attempts) == 1 {
		text = "its one attempt, from " + seconds(last.Since()) + ", was " + how
	}
	return text
}

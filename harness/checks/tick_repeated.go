package checks

func init() {
	register(Check{
		Name:  "tick-repeated",
		Doc:   "Messages that a schedule sent beyond the first of their tick. A fault that had set the clock of a beat is named.",
		begin: tickRepeated,
	})
}

func tickRepeated(sc *scope) judge {
	return ticks(sc, sc.blind, func(b *book, t tock) {
		if n := len(t.Sent); n > 1 {
			b.found(nil, n-1, "%s was due at %s, and sent %d times%s", t.Entry, seconds(t.Due), n, t.why)
		}
	}, (*book).present)
}

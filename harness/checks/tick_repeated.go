package checks

import "taskbench/harness/ledger"

func init() {
	register(Check{
		Name:  "tick-repeated",
		Doc:   "Messages that a schedule sent beyond the first of their tick.",
		begin: tickRepeated,
	})
}

func tickRepeated(sc *scope) judge {
	return ticks(sc, sc.blind, func(b *book, t *ledger.Tick) {
		if n := len(t.Sent); n > 1 {
			b.found(nil, n-1, "%s was due at %s, and sent %d times", t.Entry, seconds(t.Due), n)
		}
	}, (*book).present)
}

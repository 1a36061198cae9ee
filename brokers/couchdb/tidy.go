package couchdb

import "context"

// litter is how many settled messages PouchDB Server is to clear up after at once.
const litter = 2000

// tidy counts settled messages, and now and then has PouchDB Server drop the contents of their old revisions, which CouchDB
// does by itself. It does not wait; a refusal is for the next time.
func (l *link) tidy(gone int) {
	if l.product.PouchDB == "" || l.settled.Add(int64(gone)) < litter || !l.busy.CompareAndSwap(false, true) {
		return
	}
	l.settled.Store(0)
	go func() {
		defer l.busy.Store(false)
		_ = l.do(context.Background(), l.messages.Compact)
	}()
}

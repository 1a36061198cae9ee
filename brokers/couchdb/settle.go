package couchdb

import (
	"errors"

	"taskbench/brokers"
	"taskbench/brokers/feed"
)

// A settlement is one outcome on its way to the server.
type settlement struct {
	holder  *holder
	doc     document
	outcome feed.Outcome
}

var errGone = errors.New("the lease had ended, and the message was given to somebody else")

// settle puts aside what was rejected, then removes it and what was acknowledged, and gives back the rest.
func (l *link) settle(all []settlement) []error {
	errs := l.putAside(all)
	var docs []document
	var places []int
	for i, st := range all {
		if errs[i] != nil {
			continue
		}
		d := st.doc
		switch st.outcome {
		case feed.Requeue:
			d.Holder, d.Handed = "", d.Handed+1
		case feed.Unseen:
			d.Holder = ""
		default:
			d = d.tombstone()
		}
		docs, places = append(docs, d), append(places, i)
	}
	revs, results := l.store(docs)
	gone := 0
	for i, d := range docs {
		st := all[places[i]]
		switch err := results[i]; {
		case errors.Is(err, errConflict):
			errs[places[i]] = errGone
		case err != nil:
			errs[places[i]] = err
		case d.Deleted:
			gone++
			st.holder.index.forget(d.ID)
		default:
			st.holder.index.giveBack(d.ID, revs[i])
		}
	}
	l.tidy(gone)
	return errs
}

// putAside stores what was rejected where such is kept. Doing so again, as after an attempt that got no further, changes
// nothing: the name is the same.
func (l *link) putAside(all []settlement) []error {
	errs := make([]error, len(all))
	var docs []document
	var places []int
	for i, st := range all {
		if st.outcome == feed.Reject {
			dead := document{ID: aside(st.doc.ID, brokers.DeadLetterQueue(st.queue())), Envelope: st.doc.Envelope}
			docs, places = append(docs, dead), append(places, i)
		}
	}
	_, results := l.store(docs)
	for i, err := range results {
		if !errors.Is(err, errConflict) {
			errs[places[i]] = err
		}
	}
	return errs
}

func (st settlement) queue() string {
	p, _ := placeOf(st.doc.ID)
	return unescape(p.queue)
}

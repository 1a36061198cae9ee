package couchdb

import (
	"context"
	"errors"
	"slices"
	"time"
)

// A sign is what was seen of another holder last: since when its document has had its revision, by a clock that only
// measures. No two clocks are ever compared.
type sign struct {
	rev   string
	since time.Time
}

const (
	doubtful = 3 * time.Second // how long another holds a message before anybody asks who that is
	atOnce   = 50              // documents read at once
)

// sweep gives back what is held by holders that are dead. Failures are left to the next round, or to somebody else.
func (h *holder) sweep() {
	if len(h.index.strangers(0)) == 0 {
		clear(h.roster) // what was seen is of no use after a while of not looking
		return
	}
	if h.call() != nil {
		return
	}
	var doubted []stranger
	for _, s := range h.index.strangers(doubtful) {
		if s.by == "" || s.by != h.id && h.roster[s.by] == nil {
			doubted = append(doubted, s)
		}
	}
	for part := range slices.Chunk(doubted, atOnce) {
		h.restore(part)
	}
}

// call finds out who lives, and buries those of whom nothing was seen for a lease: they learn of it by that.
func (h *holder) call() error {
	there := map[string]bool{}
	for after := ""; ; {
		rows, err := h.link.list(context.Background(), h.link.holders, after, "\uffff", stock)
		if err != nil {
			return err
		}
		for _, r := range rows {
			there[r.id] = true
			if s := h.roster[r.id]; s == nil || s.rev != r.rev {
				h.roster[r.id] = &sign{r.rev, time.Now()}
			} else if time.Since(s.since) > lease && h.bury(r) {
				delete(there, r.id)
			}
			after = r.id
		}
		if len(rows) < stock {
			break
		}
	}
	for id := range h.roster {
		if !there[id] {
			delete(h.roster, id)
		}
	}
	return nil
}

// bury removes the document of a holder that has not written it since.
func (h *holder) bury(r row) bool {
	_, err := h.link.beat(beat{ID: r.id, Rev: r.rev, Deleted: true})
	return err == nil
}

// restore gives back what nobody holds that lives. Others do the same at the same time, and who came after the last call
// may have claimed it since: only what is as it was doubted is written.
func (h *holder) restore(doubted []stranger) {
	ids := make([]string, len(doubted))
	for i, s := range doubted {
		ids[i] = s.id
	}
	found, err := h.link.fetch(context.Background(), ids)
	if err != nil {
		return
	}
	var docs []document
	for _, s := range doubted {
		switch d, there := found[s.id]; {
		case !there:
			h.index.forget(s.id)
		case d.Holder == "" && !isHeld(d.Rev): // another was faster
			h.index.giveBack(s.id, d.Rev)
		case d.Holder != s.by:
			h.index.attribute(s.id, d.Holder)
		default: // its holder is dead; or it has none, since somebody else's hand was at it, and its revisions count wrongly
			d.Holder, d.Handed = "", d.Handed+1
			docs = append(docs, d)
		}
	}
	revs, errs := h.link.store(docs)
	for i, d := range docs {
		if errs[i] == nil {
			h.index.giveBack(d.ID, revs[i])
		} else if !errors.Is(errs[i], errConflict) { // which the feed of changes will explain
			return
		}
	}
}

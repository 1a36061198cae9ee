package dossier

import (
	"fmt"
	"slices"
	"strings"

	"taskbench/brokers/nearest"
	"taskbench/harness/ledger"
)

// Find looks a task up by its id, or by the beginning of it, among the cells of a result. Of several tasks that begin so
// it is the one that a check has found something in, if there is one alone. Its error says which id may have been meant.
func Find(books []*Book, id string) (*Book, uint64, error) {
	id = strings.ToLower(strings.TrimSpace(id))
	type match struct {
		book *Book
		seq  uint64
	}
	var due, named []match // due has but the first
	matched := 0
	for _, b := range books {
		from, to := b.matching(id)
		if to > from {
			due = append(due, match{b, from})
			matched += int(to - from)
		}
		if seq, ok := b.run.Parse(id); ok && to == from {
			if _, there := b.task(seq); there { // it was never due
				return b, seq, nil
			}
		}
		for _, seq := range b.named() {
			if strings.HasPrefix(b.run.ID(seq), id) {
				named = append(named, match{b, seq})
			}
		}
	}
	switch {
	case matched == 1:
		return due[0].book, due[0].seq, nil
	case len(named) == 1:
		return named[0].book, named[0].seq, nil
	case matched == 0 && len(named) == 0:
		return nil, 0, unknownID(books, id)
	case len(named) == 0:
		return nil, 0, fmt.Errorf("%d tasks begin with %s, such as %s: give more of the id", matched, id, due[0].book.run.ID(due[0].seq))
	}
	var ids []string
	for _, m := range named[:min(len(named), 5)] {
		ids = append(ids, m.book.run.ID(m.seq))
	}
	return nil, 0, fmt.Errorf("%d tasks begin with %s, and checks name %d of them, such as %s: give more of the id",
		max(matched, len(named)), id, len(named), strings.Join(ids, ", "))
}

// matching is the range of sequence numbers of the tasks that were due and whose ids begin so.
func (b *Book) matching(prefix string) (from, to uint64) {
	zero := b.run.ID(0)
	if len(prefix) > len(zero) {
		return 0, 0
	}
	low, ok := b.run.Parse(prefix + zero[len(prefix):])
	if !ok {
		return 0, 0
	}
	high, ok := b.run.Parse(prefix + b.run.ID(ledger.MaxSeq - 1)[len(prefix):])
	if !ok {
		return 0, 0
	}
	n := uint64(b.h.Len())
	return min(low, n), min(high+1, n)
}

// named are the tasks that findings name.
func (b *Book) named() []uint64 {
	var all []uint64
	for _, v := range b.report.Verdicts {
		for _, f := range v.Findings {
			if f.Task != ledger.Foreign && f.ID != "" {
				all = append(all, f.Task)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// unknownID suggests, of each cell, the last task where the run is right, and the one of the same number where it is not.
func unknownID(books []*Book, id string) error {
	var near []string
	for _, b := range books {
		n := uint64(b.h.Len())
		if n == 0 {
			continue
		}
		zero := b.run.ID(0)
		seq, ok := b.run.Parse(zero[:24] + id[min(24, len(id)):])
		if !ok {
			seq = 0
		}
		near = append(near, b.run.ID(min(seq, n-1)))
		for _, seq := range b.named() {
			near = append(near, b.run.ID(seq))
		}
	}
	if len(near) == 0 {
		return fmt.Errorf("no task %q: the result has no tasks", id)
	}
	if name := nearest.Name(id, near); name != "" {
		return fmt.Errorf("no task %q in this result; the nearest is %s", id, name)
	}
	return fmt.Errorf("no task %q in this result; its ids are like %s", id, near[0])
}

package proxy

import (
	"sync"

	"taskbench/harness/lab/proxy/step"
)

// A follower reads along on one link, whole frames only, and stops it at the steps for which traps are set.
type follower struct {
	mu     sync.Mutex
	parser step.Parser
	deaf   bool // the link is not understood

	// What has been read of each side and not been passed on, since it is no whole frame; each is its own way's.
	tails [2][]byte
}

// follow returns a follower of a new link, or nil where nobody watches.
func (p *Proxy) follow() *follower {
	if of := p.watch.parser.Load(); of != nil {
		return &follower{parser: (*of)()}
	}
	return nil
}

// heed passes on what was read.
func (w *way) heed(data []byte, start func()) error {
	f := w.link.follower
	if f == nil {
		return w.onward(data, start)
	}
	tail := &f.tails[w.side()]
	data = append(*tail, data...)
	rest, err := f.read(w, data, start)
	*tail = append(data[:0], rest...)
	return err
}

// rest passes on what is left when the source has ended: half a frame is none, and no step.
func (w *way) rest(start func()) error {
	if f := w.link.follower; f != nil {
		tail := f.tails[w.side()]
		f.tails[w.side()] = nil
		if len(tail) > 0 {
			return w.onward(tail, start)
		}
	}
	return nil
}

func (w *way) side() step.Side {
	if w.src == w.link.client {
		return step.Client
	}
	return step.Server
}

// read passes whole frames on, together, and returns what comes behind them.
func (f *follower) read(w *way, data []byte, start func()) (rest []byte, err error) {
	passed, at := 0, 0 // how far data was passed on, and how far it was read
	on := func(to int) error {
		if to == passed {
			return nil
		}
		part := data[passed:to]
		passed = to
		return w.onward(part, start)
	}
	for at < len(data) {
		n, events := f.next(w, data[at:])
		if n == 0 {
			break
		}
		for _, e := range events {
			t := w.link.proxy.watch.note(e, w.link.door.side)
			if t == nil {
				continue
			}
			cut := at
			if e.After {
				cut = at + n
			}
			if err := on(cut); err != nil {
				w.link.proxy.watch.spare(t) // the link broke before it came to the step
				return nil, err
			}
			w.link.stopAt(t, e.After)
		}
		at += n
	}
	return data[at:], on(at)
}

// next reads a frame; all is one of a link that is not understood.
func (f *follower) next(w *way, data []byte) (int, []step.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.deaf {
		return len(data), nil
	}
	n, events, err := f.parser.Next(w.side(), data)
	if err != nil {
		f.deaf = true
		w.link.proxy.watch.strange(err)
		return len(data), nil
	}
	return n, events
}

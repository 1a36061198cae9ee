package proxy

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A way is one direction of a link. Data is read into one buffer and written from it: for the small messages of
// a task queue that costs no more than splicing, and it keeps the counts true while a connection lives.
type way struct {
	link     *link
	src, dst *net.TCPConn
	up       bool          // towards the server
	total    *atomic.Int64 // bytes passed on, of the proxy in this direction
	bytes    *atomic.Int64 // likewise, of the door
	name     uint64        // tells this way's chance from every other's

	passing sync.Mutex   // held while data is passed on, so that Silence can see that none is
	pending atomic.Int64 // pieces on their way, delayed
	late    chan piece   // made by the first of them
	last    time.Time    // when the latest of them is due
	seed    uint64       // of rand
	rand    *rand.Rand
}

// A piece is data that is to be passed on at a time.
type piece struct {
	data []byte
	due  time.Time
}

// latePieces bounds what is on its way in one direction; beyond it the sender feels the backpressure.
const latePieces = 8192

// run forwards until the source ends, and returns nil when it ended in good order and all was passed on.
func (w *way) run() error {
	var writer sync.WaitGroup
	var late error
	err := w.read(func() {
		w.late = make(chan piece, latePieces)
		writer.Go(func() {
			if late = w.deliver(); late != nil {
				w.link.reset() // which also wakes the reader
			}
		})
	})
	if w.late != nil {
		close(w.late)
		writer.Wait()
	}
	return errors.Join(err, late)
}

// read takes what the source sends and passes it on, or hands it to the late writer, which start starts.
func (w *way) read(start func()) error {
	buf := make([]byte, 64<<10)
	for {
		n, err := w.src.Read(buf)
		if n > 0 {
			if failed := w.heed(buf[:n], start); failed != nil {
				return failed
			}
		}
		if errors.Is(err, io.EOF) {
			return w.rest(start)
		}
		if err != nil {
			return err
		}
	}
}

// onward passes data on, now or late.
func (w *way) onward(data []byte, start func()) error {
	sky := w.link.door.weather.Load()
	if !sky.slow() && w.pending.Load() == 0 { // else what is on its way would be overtaken
		return w.pass(piece{data: data})
	}
	if w.late == nil {
		start()
	}
	return w.delay(data, sky)
}

// delay hands data to the late writer. Pieces keep their order: none is due before the one ahead of it.
func (w *way) delay(data []byte, sky *weather) error {
	if w.rand == nil || w.seed != sky.seed {
		w.seed, w.rand = sky.seed, rand.New(rand.NewPCG(sky.seed, w.name))
	}
	p := piece{append([]byte(nil), data...), time.Now().Add(sky.draw(w.rand))}
	if p.due.Before(w.last) {
		p.due = w.last
	}
	w.last = p.due
	w.pending.Add(1)
	w.link.proxy.count.delayed.Add(1)
	select {
	case w.late <- p:
		return nil
	case <-w.link.ended:
		return net.ErrClosed
	}
}

// deliver passes on what is late until there is no more.
func (w *way) deliver() error {
	for p := range w.late {
		if err := w.pass(p); err != nil {
			return err
		}
		w.pending.Add(-1)
	}
	return nil
}

// pass writes a piece once it is due and the weather allows.
func (w *way) pass(p piece) error {
	for {
		if !w.wait(p.due) {
			return net.ErrClosed
		}
		part := p.data
		if sky := w.link.door.weather.Load(); sky.rate > 0 {
			part = part[:min(len(part), sky.part())]
			due := time.Until(sky.lane(w.up).reserve(len(part), sky.rate))
			w.link.proxy.count.held.Add(int64(due))
			if !w.hold(sky, due) {
				return net.ErrClosed
			}
		}
		w.passing.Lock()
		if w.link.door.weather.Load().silent(w.up) { // it changed in this very moment
			w.passing.Unlock()
			continue
		}
		n, err := w.dst.Write(part)
		w.total.Add(int64(n))
		w.bytes.Add(int64(n))
		w.passing.Unlock()
		if p.data = p.data[n:]; err != nil || len(p.data) == 0 {
			return err
		}
	}
}

// linger keeps the end of the way from its other end for as long as the weather wants.
func (w *way) linger() {
	if sky := w.link.door.weather.Load(); sky.linger > 0 {
		w.hold(sky, sky.linger)
	}
}

// hold waits, until the weather changes if that comes first. It returns false when the link is reset meanwhile.
func (w *way) hold(sky *weather, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-sky.over:
	case <-w.link.ended:
		return false
	}
	return true
}

// wait returns true once data that is due then may pass, and false when the link is reset first. When the
// latency ends, so does the wait for it.
func (w *way) wait(due time.Time) bool {
	for {
		if !w.link.goOn() {
			return false
		}
		sky := w.link.door.weather.Load()
		if !sky.silent(w.up) && (!sky.slow() || !time.Now().Before(due)) {
			return true
		}
		var ripe <-chan time.Time
		if !sky.silent(w.up) {
			t := time.NewTimer(time.Until(due))
			defer t.Stop()
			ripe = t.C
		}
		select {
		case <-ripe:
		case <-sky.over:
		case <-w.link.ended:
			return false
		}
	}
}

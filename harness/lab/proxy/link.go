package proxy

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A link is one client's connection and its counterpart to the server.
type link struct {
	proxy  *Proxy
	door   *door
	serial uint64
	client *net.TCPConn
	once   sync.Once
	ended  chan struct{} // closed by reset
	gone   chan struct{} // closed when nothing of the link is left

	mu     sync.Mutex
	server *net.TCPConn // nil until dialled
	ways   []*way

	clientDone atomic.Bool // the client ended its side first
	follower   *follower   // nil unless the proxy watches
	stop       stop
}

// run forwards until both sides have ended or the link is reset.
func (l *link) run() {
	server, err := l.proxy.dial(l.ended)
	if err != nil {
		l.proxy.count.failed.Add(1)
		l.reset()
		return
	}
	up := &way{link: l, src: l.client, dst: server, up: true, total: &l.proxy.count.up, bytes: &l.door.up, name: 2 * l.serial}
	down := &way{link: l, src: server, dst: l.client, total: &l.proxy.count.down, bytes: &l.door.down, name: 2*l.serial + 1}
	l.mu.Lock()
	l.server = server
	l.ways = []*way{up, down}
	l.mu.Unlock()
	select {
	case <-l.ended: // reset while dialling, which did not see the server's side
		reset(server)
		return
	default:
	}

	var both sync.WaitGroup
	both.Go(func() { l.forward(up) })
	both.Go(func() { l.forward(down) })
	both.Wait()
	_ = l.client.Close()
	_ = server.Close()
}

// both are the link's ways, none before the server was reached.
func (l *link) both() []*way {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ways
}

// forward runs one direction and passes its end on: an orderly one as a half-close, any other as a reset.
func (l *link) forward(w *way) {
	err := w.run()
	w.linger()
	if w.src == l.client {
		l.clientDone.Store(true)
	} else if !l.clientDone.Load() {
		// The server left first: it may have died. Learn that before the client does, so that the client,
		// which will reconnect at once, is refused as the server itself would refuse it.
		if c, err := l.proxy.dial(l.ended); err == nil {
			reset(c)
		}
	}
	if err != nil || !w.wait(time.Time{}) {
		l.reset()
		return
	}
	_ = w.dst.CloseWrite()
}

// reset drops both sides so that both peers see it. It may be called again.
func (l *link) reset() {
	l.once.Do(func() {
		close(l.ended)
		reset(l.client)
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.server != nil {
			reset(l.server)
		}
	})
}

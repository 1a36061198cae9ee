package trial_test

import (
	"net"
	"net/url"
	"sync"
	"testing"
	"time"
)

// The ways of bytes through a wire.
const (
	up   = iota // to the server
	down        // to the client
)

// A wire stands between a client and a server. It can fall silent, or be cut once so many bytes have passed.
type wire struct {
	listener net.Listener
	server   string

	mu    sync.Mutex
	links map[net.Conn]bool // whether they are sound
	way   int
	left  int // bytes that may still pass that way; below 0 it is not to be cut
	total [2]int
	cuts  int
	slow  bool // a piece takes 20 ms
}

// newWire stands before the server of a URL, and tells the URL to use.
func newWire(t testing.TB, rawURL string) (*wire, string) {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: l, server: u.Host, links: map[net.Conn]bool{}, left: -1}
	t.Cleanup(func() {
		_ = l.Close() // it ends accept
		w.mu.Lock()
		defer w.mu.Unlock()
		w.cut()
	})
	go w.accept()
	u.Host = l.Addr().String()
	return w, u.String()
}

func (w *wire) accept() {
	for {
		near, err := w.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", w.server)
		if err != nil {
			_ = near.Close() // as a server that hangs up
			continue
		}
		w.mu.Lock()
		w.links[near], w.links[far] = true, true
		w.mu.Unlock()
		go w.pass(far, near, up)
		go w.pass(near, far, down)
	}
}

// pass passes bytes on until either side ends.
func (w *wire) pass(to, from net.Conn, way int) {
	defer func() { _ = to.Close(); _ = from.Close() }()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if w.silent(from) {
			if err != nil {
				return
			}
			continue // it is swallowed
		}
		if w.slow {
			<-time.After(20 * time.Millisecond)
		}
		n, broken := w.count(n, way)
		if _, failed := to.Write(buf[:n]); failed != nil || err != nil {
			return
		}
		if broken {
			w.mu.Lock()
			w.cut()
			w.mu.Unlock()
			return
		}
	}
}

// count lets so many of n bytes pass, and tells whether the wire is to be cut behind them.
func (w *wire) count(n, way int) (int, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.total[way] += n
	if w.left < 0 || w.way != way {
		return n, false
	}
	if n < w.left {
		w.left -= n
		return n, false
	}
	n, w.left = w.left, -1
	w.cuts++
	return n, true
}

// cut resets all links; w.mu is held.
func (w *wire) cut() {
	for c := range w.links {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset, and no farewell
		}
		_ = c.Close() // it may be closed
	}
	clear(w.links)
}

// cutAfter has the wire cut once n more bytes have passed that way.
func (w *wire) cutAfter(n, way int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left, w.way = n, way
}

// silence has the links of now pass nothing any more, though nobody hangs up; those made later are sound. It tells how
// many they are.
func (w *wire) silence() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.links {
		w.links[c] = false
	}
	return len(w.links) / 2
}

func (w *wire) silent(c net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	sound, known := w.links[c]
	return known && !sound
}

func (w *wire) passed() (total [2]int, cuts int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.total, w.cuts
}

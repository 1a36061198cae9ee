package servertest

import (
	"net"
	"sync"
	"testing"
)

// Serve is a server that is none: it has serve speak on each connection, and hangs up when that has returned. It ends with the
// test, and its connections with it. It returns its address, host:port.
func Serve(t testing.TB, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	links := map[net.Conn]bool{}
	var all sync.WaitGroup
	hold := func(c net.Conn) {
		mu.Lock()
		defer mu.Unlock()
		links[c] = true
	}
	drop := func(c net.Conn) {
		mu.Lock()
		defer mu.Unlock()
		delete(links, c)
		_ = c.Close() // the client may have gone
	}
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				break
			}
			hold(c)
			all.Go(func() {
				defer drop(c)
				serve(c)
			})
		}
		mu.Lock()
		defer mu.Unlock()
		for c := range links {
			_ = c.Close() // which ends what serves it
		}
	})
	t.Cleanup(func() {
		_ = l.Close() // nobody needs it any more
		all.Wait()
	})
	return l.Addr().String()
}

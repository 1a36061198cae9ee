package lucktest

import (
	"net"
	"sync"
	"time"
)

// courtesy is how long a server waits for a client to speak first.
const courtesy = 200 * time.Millisecond

func after(d time.Duration) time.Time { return time.Now().Add(d) }

// serve talks to whoever connects, until stop is called, which cuts all connections and waits for their ends.
func serve(l net.Listener, talk talk) (stop func() error) {
	var work sync.WaitGroup
	var mu sync.Mutex
	conns, stopped := map[net.Conn]bool{}, false
	work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			if stopped {
				_ = c.Close()
			}
			conns[c] = true
			mu.Unlock()
			work.Go(func() {
				talk(c)
				_ = c.Close() // stop may have
				mu.Lock()
				delete(conns, c)
				mu.Unlock()
			})
		}
	})
	return func() error {
		err := l.Close()
		mu.Lock()
		stopped = true
		for c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		work.Wait()
		return err
	}
}

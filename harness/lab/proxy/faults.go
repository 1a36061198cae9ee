package proxy

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"syscall"
	"time"
)

// weather is what the links meet now. It is replaced, never changed, and over is closed at that moment.
type weather struct {
	silent        bool
	delay, jitter time.Duration
	seed          uint64
	over          chan struct{}
}

func (s *weather) slow() bool { return s.delay > 0 || s.jitter > 0 }

// draw is the delay of one piece: uniform between delay-jitter and delay+jitter, never negative.
func (s *weather) draw(r *rand.Rand) time.Duration {
	d := s.delay
	if s.jitter > 0 {
		d += time.Duration(r.Int64N(2*int64(s.jitter)+1)) - s.jitter
	}
	return max(d, 0)
}

// ErrClosed is returned by faults on a closed proxy.
var ErrClosed = errors.New("fault proxy is closed")

// healPatience is how long Heal tries to get the port back.
const healPatience = 5 * time.Second

// Reset resets the connections that are open now and returns how many they were. New ones are accepted.
func (p *Proxy) Reset() (int, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return 0, ErrClosed
	}
	links := p.present()
	p.mu.Unlock()
	return p.drop(links), nil
}

// Disconnect resets every connection and refuses new ones, with the port closed, until Heal. It returns how many
// connections were reset, once a connection to the proxy has been seen to be refused.
func (p *Proxy) Disconnect() (int, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return 0, ErrClosed
	}
	p.cut = true
	_ = p.settle()
	links := p.present()
	p.mu.Unlock()
	n := p.drop(links)
	c, err := net.DialTimeout("tcp", p.Addr(), time.Second)
	if err == nil {
		_ = c.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return n, fmt.Errorf("proxy %s for %s still answers after it was closed: %w", p.Addr(), p.upstream, err)
	}
	return n, nil
}

// Silence lets nothing pass in either direction until Heal, though connections stay open and new ones are
// accepted. Nothing is lost: what was sent meanwhile arrives afterwards, as after a network's outage. It
// returns how many connections fell silent, once no data is being passed on. TCP's own keep-alives are still
// answered, by the proxy.
func (p *Proxy) Silence() (int, error) {
	links, err := p.change(func(w *weather) { w.silent = true })
	for _, l := range links {
		for _, w := range l.both() {
			// A write that is stuck because its reader does not read is not waited for: nothing passes there.
			for end := time.Now().Add(100 * time.Millisecond); time.Now().Before(end); time.Sleep(time.Millisecond) {
				if w.passing.TryLock() {
					w.passing.Unlock()
					break
				}
			}
		}
	}
	return len(links), err
}

// Latency delays every piece of data by delay, give or take jitter, in each direction, until Heal. Order is
// kept, and throughput up to a bound of 8192 pieces on their way. The delays of each connection follow from the
// seed and the connection's number.
func (p *Proxy) Latency(delay, jitter time.Duration, seed uint64) error {
	if delay < 0 || jitter < 0 || delay+jitter == 0 {
		return fmt.Errorf("latency of %v with jitter %v: both must be positive, or one of them 0", delay, jitter)
	}
	_, err := p.change(func(w *weather) { w.delay, w.jitter, w.seed = delay, jitter, seed })
	return err
}

// Heal undoes every fault in force. It returns once the proxy accepts connections again, unless the server
// itself refuses them. With no fault in force it does nothing.
func (p *Proxy) Heal() error {
	if _, err := p.change(func(w *weather) { *w = weather{} }); err != nil {
		return err
	}
	for end := time.Now().Add(healPatience); ; {
		p.mu.Lock()
		p.cut = false
		err := p.settle()
		p.mu.Unlock()
		if err == nil {
			return nil
		}
		if time.Now().After(end) || !p.sleep(10*time.Millisecond) {
			return fmt.Errorf("proxy for %s cannot have its port back: %w", p.upstream, err)
		}
	}
}

// change replaces the weather by a changed copy, and returns the links that are in it.
func (p *Proxy) change(edit func(*weather)) ([]*link, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed
	}
	old := p.weather.Load()
	sky := *old
	edit(&sky)
	sky.over = make(chan struct{})
	p.weather.Store(&sky)
	close(old.over)
	return p.present(), nil
}

// drop resets the links and waits until they are gone.
func (p *Proxy) drop(links []*link) int {
	for _, l := range links {
		l.reset()
	}
	for _, l := range links {
		<-l.gone
	}
	p.count.cut.Add(int64(len(links)))
	return len(links)
}

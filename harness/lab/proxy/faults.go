package proxy

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// ErrClosed is returned by faults on a closed proxy.
var ErrClosed = errors.New("fault proxy is closed")

// healPatience is how long Heal tries to get the port back.
const healPatience = 5 * time.Second

// The sides of each fault below are those that it meets; none given, it meets both.

// Reset resets the connections that are open now and returns how many they were. New ones are accepted.
func (p *Proxy) Reset(sides ...Side) (int, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return 0, ErrClosed
	}
	links := p.present(p.chosen(sides))
	p.mu.Unlock()
	return p.drop(links), nil
}

// Disconnect resets every connection and refuses new ones, with the port closed, until Heal. It returns how many
// connections were reset, once a connection to the proxy has been seen to be refused.
func (p *Proxy) Disconnect(sides ...Side) (int, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return 0, ErrClosed
	}
	doors := p.chosen(sides)
	for _, d := range doors {
		d.cut = true
	}
	_ = p.settle()
	links := p.present(doors)
	p.mu.Unlock()
	n := p.drop(links)
	for _, d := range doors {
		c, err := net.DialTimeout("tcp", d.addr.String(), time.Second)
		if err == nil {
			_ = c.Close()
			err = errors.New("a connection was accepted")
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return n, fmt.Errorf("proxy %s for %s still answers after it was closed: %w", d.addr, p.upstream, err)
		}
	}
	return n, nil
}

// Silence lets nothing pass in either direction until Heal, though connections stay open and new ones are
// accepted. Nothing is lost: what was sent meanwhile arrives afterwards, as after a network's outage. It
// returns how many connections fell silent, once no data is being passed on. TCP's own keep-alives are still
// answered, by the proxy.
func (p *Proxy) Silence(sides ...Side) (int, error) { return p.hush(true, true, sides) }

// Mute is Silence in one direction: towards the server, or else towards the clients. The other one goes on.
func (p *Proxy) Mute(up bool, sides ...Side) (int, error) { return p.hush(up, !up, sides) }

func (p *Proxy) hush(up, down bool, sides []Side) (int, error) {
	links, err := p.change(sides, func(w *weather) { w.silentUp, w.silentDown = up, down })
	for _, l := range links {
		for _, w := range l.both() {
			if w.up && !up || !w.up && !down {
				continue
			}
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

// Bandwidth lets so many bytes a second pass in each direction until Heal; the connections of a side share them. Who
// sends more than that feels the backpressure.
func (p *Proxy) Bandwidth(rate int64, sides ...Side) error {
	if rate <= 0 {
		return fmt.Errorf("bandwidth of %d bytes a second: must be above 0", rate)
	}
	_, err := p.change(sides, func(w *weather) { w.rate, w.up, w.down = rate, &lane{}, &lane{} })
	return err
}

// Linger keeps the end of a connection, be it orderly or not, from the other end for so long, until Heal: a worker or a
// server that has died seems to live on.
func (p *Proxy) Linger(by time.Duration, sides ...Side) error {
	if by <= 0 {
		return fmt.Errorf("ends that linger by %v: must be above 0", by)
	}
	_, err := p.change(sides, func(w *weather) { w.linger = by })
	return err
}

// Latency delays every piece of data by delay, give or take jitter, in each direction, until Heal. Order is
// kept, and throughput up to a bound of 8192 pieces on their way. The delays of each connection follow from the
// seed and the connection's number.
func (p *Proxy) Latency(delay, jitter time.Duration, seed uint64, sides ...Side) error {
	if delay < 0 || jitter < 0 || delay+jitter == 0 {
		return fmt.Errorf("latency of %v with jitter %v: both must be positive, or one of them 0", delay, jitter)
	}
	_, err := p.change(sides, func(w *weather) { w.delay, w.jitter, w.seed = delay, jitter, seed })
	return err
}

// Heal undoes every fault in force. It returns once the proxy accepts connections again, unless the server
// itself refuses them. With no fault in force it does nothing.
func (p *Proxy) Heal() error {
	if _, err := p.change(nil, func(w *weather) { *w = weather{} }); err != nil {
		return err
	}
	for end := time.Now().Add(healPatience); ; {
		p.mu.Lock()
		for _, d := range p.doors {
			d.cut = false
		}
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

// change replaces the weather of the sides by a changed copy, and returns the links that are in it.
func (p *Proxy) change(sides []Side, edit func(*weather)) ([]*link, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed
	}
	doors := p.chosen(sides)
	for _, d := range doors {
		old := d.weather.Load()
		sky := *old
		edit(&sky)
		sky.over = make(chan struct{})
		d.weather.Store(&sky)
		close(old.over)
	}
	return p.present(doors), nil
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

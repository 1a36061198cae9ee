package proxy

import (
	"net"
	"slices"
	"sync/atomic"
)

// A Side is who connects to the node. Each has an address of its own, so that a fault may meet one and spare the other.
type Side string

// The sides.
const (
	Workers    Side = "workers"
	Publishers Side = "publishers"
)

// Sides are all there are.
var Sides = []Side{Workers, Publishers}

// A door is where one side comes in. Its weather is all its own.
type door struct {
	side     Side
	addr     *net.TCPAddr
	weather  atomic.Pointer[weather]
	up, down atomic.Int64 // bytes forwarded to the server, and to the clients

	// Below is under the proxy's mutex.
	ln  *net.TCPListener // nil while connections are refused
	cut bool             // Disconnect is in force
}

func newDoor(side Side, ln *net.TCPListener) *door {
	d := &door{side: side, addr: ln.Addr().(*net.TCPAddr)}
	d.weather.Store(&weather{over: make(chan struct{})})
	return d
}

// chosen are the doors of the sides; no side is both.
func (p *Proxy) chosen(sides []Side) []*door {
	if len(sides) == 0 {
		return p.doors
	}
	return slices.DeleteFunc(slices.Clone(p.doors), func(d *door) bool { return !slices.Contains(sides, d.side) })
}

// AddrOf is where the clients of a side connect; it stays the same for the proxy's life.
func (p *Proxy) AddrOf(s Side) string { return p.chosen([]Side{s})[0].addr.String() }

// Passed is how many bytes the sides (none given: both) have sent to the server and had from it, so far.
func (p *Proxy) Passed(sides ...Side) (up, down int64) {
	for _, d := range p.chosen(sides) {
		up, down = up+d.up.Load(), down+d.down.Load()
	}
	return up, down
}

// Package port chooses TCP ports that a server can keep while it is down.
//
// A port from the range that the kernel gives to outgoing connections is a poor address for a server that will
// be killed and started again: in between, some client's connection may take it, and a client that dials it over
// and over can even end up connected to itself. So ports are taken from below that range.
package port

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// lowest is where the search begins; below it lie the ports of well-known servers.
const lowest = 10000

// next spreads the choices of one process, and the pid those of several.
var next atomic.Int64

func init() { next.Store(int64(os.Getpid()) * 97) }

// Listen listens on 127.0.0.1 at a free port of the range.
func Listen() (*net.TCPListener, error) {
	low := int64(ephemeral())
	for range 200 {
		p := lowest + next.Add(7)%(low-lowest)
		ln, err := At(int(p))
		if errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EACCES) {
			continue
		}
		return ln, err
	}
	return nil, fmt.Errorf("no free port on 127.0.0.1 between %d and %d", lowest, low)
}

// At listens on 127.0.0.1 at the port.
func At(p int) (*net.TCPListener, error) {
	return net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: p})
}

// Free returns a port of the range that is free now. Whoever binds it must be ready to find it taken.
func Free() (int, error) {
	ln, err := Listen()
	if err != nil {
		return 0, err
	}
	p := ln.Addr().(*net.TCPAddr).Port
	return p, ln.Close()
}

// Taken tells whether something else has the port on 127.0.0.1 now.
func Taken(p int) bool {
	ln, err := At(p)
	if err != nil {
		return errors.Is(err, syscall.EADDRINUSE)
	}
	_ = ln.Close()
	return false
}

// ephemeral is the first port that the kernel may give to an outgoing connection.
func ephemeral() int {
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err == nil {
		if fields := strings.Fields(string(b)); len(fields) == 2 {
			if low, err := strconv.Atoi(fields[0]); err == nil && low > lowest+2000 {
				return low
			}
		}
	}
	return 32768
}

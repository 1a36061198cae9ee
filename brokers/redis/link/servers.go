package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// servers are several of which one is the primary at a time, and the others its replicas. They are asked themselves who it is.
// It is safe for concurrent use.
type servers struct {
	options []*goredis.Options
	dialers []dialer

	mu    sync.Mutex
	at    int // the primary of the moment, as far as it is known; none else
	conns map[*tracked]struct{}
}

type dialer func(ctx context.Context, network, addr string) (net.Conn, error)

const (
	none     = -1
	answerIn = 2 * time.Second // for a server to say what it is: one that is frozen never does
	askAgain = time.Second     // whether the primary still is
)

func newServers(options []*goredis.Options) *servers {
	s := &servers{options: options, at: none, conns: map[*tracked]struct{}{}}
	for _, o := range options {
		s.dialers = append(s.dialers, goredis.NewDialer(o))
	}
	return s
}

// dial connects to the primary. Each time it is asked whether it still is, so that nobody connects to one of the past.
func (s *servers) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	n, err := s.primary(ctx)
	if err != nil {
		return nil, err
	}
	c, err := s.dialers[n](ctx, s.options[n].Network, s.options[n].Addr)
	if err != nil {
		return nil, err
	}
	return s.track(c, n), nil
}

func (s *servers) primary(ctx context.Context) (int, error) {
	s.mu.Lock()
	at := s.at
	s.mu.Unlock()
	if at != none && s.ask(ctx, at).holds() {
		return at, nil
	}
	return s.look(ctx)
}

// look asks all servers at once who is the primary, and has everybody move there. Where two say that they are, one of them was
// and does not know yet: its replicas have left it.
func (s *servers) look(ctx context.Context) (int, error) {
	said := make([]role, len(s.options))
	var all sync.WaitGroup
	for n := range s.options {
		all.Go(func() { said[n] = s.ask(ctx, n) })
	}
	all.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	best := none
	if s.at != none && said[s.at].primary {
		best = s.at
	}
	var errs []error
	for n, r := range said {
		if r.primary && (best == none || r.copies > said[best].copies) {
			best = n
		}
		errs = append(errs, r.err)
	}
	if best == none {
		err := errors.Join(append([]error{fmt.Errorf("none of the %d servers says that it is the primary", len(said))}, errs...)...)
		return none, &net.OpError{Op: "dial", Net: "tcp", Err: err} // nothing has been sent to one
	}
	if best != s.at {
		for c := range s.conns {
			if c.to != best {
				_ = c.Conn.Close() // whoever is using it notices, and comes back
			}
		}
		s.at = best
	}
	return best, nil
}

// mind moves everybody to a new primary once there is one, until over is closed. A primary of the past that is cut off from the
// others, or frozen, does not end its connections itself.
func (s *servers) mind(over <-chan struct{}) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	tick := time.NewTicker(askAgain)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_, _ = s.primary(ctx) // where there is none, connections stay as they are until there is
		case <-over:
			return
		}
	}
}

// A role is what a server says of itself.
type role struct {
	primary bool
	copies  int // replicas that keep up
	err     error
}

// holds tells whether a primary need not be looked for elsewhere.
func (r role) holds() bool { return r.err == nil && r.primary && r.copies > 0 }

func (s *servers) ask(ctx context.Context, n int) role {
	ctx, cancel := context.WithTimeout(ctx, answerIn)
	defer cancel()
	o := *s.options[n]
	o.PoolSize, o.ContextTimeoutEnabled = 1, true
	rdb := goredis.NewClient(&o)
	defer func() { _ = rdb.Close() }() // it was asked
	info, err := rdb.Info(ctx, "replication").Result()
	if err != nil {
		return role{err: fmt.Errorf("%s: %w", o.Addr, err)}
	}
	return parseRole(info)
}

// parseRole reads INFO replication. A server that wants no replicas to write does not tell which of them keep up.
func parseRole(info string) role {
	fields := map[string]string{}
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		fields[name] = value
	}
	copies, err := strconv.Atoi(fields["min_slaves_good_slaves"])
	if err != nil {
		copies, _ = strconv.Atoi(fields["connected_slaves"])
	}
	return role{primary: fields["role"] == "master", copies: copies}
}

// A tracked connection is one to a server that may be the primary no more.
type tracked struct {
	net.Conn
	of *servers
	to int
}

// Close ends it. What look has closed is forgotten here, too.
func (t *tracked) Close() error {
	t.of.mu.Lock()
	delete(t.of.conns, t)
	t.of.mu.Unlock()
	return t.Conn.Close()
}

func (s *servers) track(c net.Conn, to int) net.Conn {
	t := &tracked{c, s, to}
	s.mu.Lock()
	s.conns[t] = struct{}{}
	moved := s.at != to
	s.mu.Unlock()
	if moved { // while it was being dialled
		_ = c.Close()
	}
	if raw, ok := c.(syscall.Conn); ok {
		return struct {
			*tracked
			syscall.Conn
		}{t, raw}
	}
	return t
}

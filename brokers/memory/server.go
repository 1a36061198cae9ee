package memory

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"

	"taskbench/brokers"
)

// A Server lends an Engine to other processes.
type Server struct {
	listener net.Listener
	engine   *Engine
	sessions sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	shut  bool
}

// Serve accepts connections until Close. The listener is the server's from now on; the engine stays the caller's.
func Serve(l net.Listener, e *Engine) *Server {
	s := &Server{listener: l, engine: e, conns: make(map[net.Conn]struct{})}
	s.sessions.Add(1)
	go s.accept()
	return s
}

// Addr is where the server listens, as host:port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Close breaks every connection without a word, as SIGKILL does, and returns when the port is free and no
// connection is being served. The engine is left as it is. A second call does nothing.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.shut {
		s.mu.Unlock()
		return nil
	}
	s.shut = true
	err := s.listener.Close()
	for c := range s.conns {
		reset(c)
	}
	s.mu.Unlock()
	s.sessions.Wait()
	return err
}

// reset drops a connection the way that a killed process's is dropped: without waiting for what is unsent.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // fails only on a connection that is closed already
	}
	_ = c.Close() // likewise
}

func (s *Server) accept() {
	defer s.sessions.Done()
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return // closed; a listener on loopback fails in no other way
		}
		s.mu.Lock()
		if s.shut {
			reset(c)
		} else {
			s.conns[c] = struct{}{}
			s.sessions.Add(1)
			go s.serve(c)
		}
		s.mu.Unlock()
	}
}

func (s *Server) serve(c net.Conn) {
	defer s.sessions.Done()
	newSession(s.engine, c).run()
	reset(c)
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
}

// An embedded server owns its engine, and takes it with it.
type embedded struct {
	*Server
	engine *Engine
}

func (e embedded) Close() error {
	_ = e.engine.Close() // never fails; first, so that nothing is handed out while connections break
	return e.Server.Close()
}

func startEmbedded(ctx context.Context, l brokers.Launch) (brokers.Server, error) {
	addr := net.JoinHostPort(l.Host, strconv.Itoa(l.Port))
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("start memory server on %s: %w", addr, err)
	}
	e := New()
	return embedded{Serve(listener, e), e}, nil
}

package ledger

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

const maxLine = 64 << 10

// A Sink takes events from workers of any language over a unix socket. Doc.go has the protocol.
type Sink struct {
	run   Run
	nodes []string
	rec   *Recorder
	ln    net.Listener
	wg    sync.WaitGroup

	mu       sync.Mutex
	conns    map[net.Conn]struct{}
	closed   bool
	rejected int
	first    error
}

// Listen opens a sink at path, which must not exist. Nodes are those of Meta.
func Listen(path string, run Run, nodes []string, rec *Recorder) (*Sink, error) {
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("open the ledger's sink: %w", err)
	}
	s := &Sink{run: run, nodes: nodes, rec: rec, ln: ln, conns: map[net.Conn]struct{}{}}
	s.wg.Go(s.accept)
	return s, nil
}

// Close stops listening, drops the connections and removes the socket, after what was received on them has been
// recorded; a connection that was not accepted yet is refused. It returns an error when lines were rejected: their
// number and what was wrong with the first. A second call returns the same.
func (s *Sink) Close() error {
	s.mu.Lock()
	s.closed = true
	_ = s.ln.Close()
	for c := range s.conns {
		if u, ok := c.(*net.UnixConn); ok {
			_ = u.CloseRead() // what has arrived is still read
		}
	}
	s.mu.Unlock()
	s.wg.Wait()
	if s.rejected > 0 {
		return fmt.Errorf("the ledger's sink rejected %d lines, the first: %w", s.rejected, s.first)
	}
	return nil
}

func (s *Sink) accept() {
	for {
		c, err := s.ln.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.closed {
			_ = c.Close()
		} else {
			s.conns[c] = struct{}{}
			s.wg.Go(func() { s.serve(c) })
		}
		s.mu.Unlock()
	}
}

func (s *Sink) serve(c net.Conn) {
	defer func() {
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
		_ = c.Close()
	}()
	in := bufio.NewReaderSize(c, maxLine)
	for {
		raw, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			s.reject(fmt.Errorf("line of more than %d bytes", maxLine))
			return
		}
		if err != nil {
			if len(raw) > 0 && errors.Is(err, io.EOF) {
				s.reject(fmt.Errorf("line without its end: %.200q", raw))
			}
			return
		}
		var l line
		if err = l.parse(raw); err == nil {
			var e Event
			if e, err = s.event(&l); err == nil {
				s.rec.Apply(e)
			}
		}
		if err != nil {
			s.reject(fmt.Errorf("%w: %.200q", err, raw))
		}
		if l.Sync && !answer(c, err) {
			return
		}
	}
}

func answer(c net.Conn, failed error) bool {
	a := struct {
		OK    bool   `json:"ok"`
		Error string `json:"error,omitempty"`
	}{OK: failed == nil}
	if failed != nil {
		a.Error = failed.Error()
	}
	b, err := json.Marshal(a)
	if err != nil {
		return false
	}
	_, err = c.Write(append(b, '\n'))
	return err == nil
}

func (s *Sink) reject(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rejected++; s.first == nil {
		s.first = err
	}
}

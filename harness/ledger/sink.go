package ledger

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
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

// Close stops listening, drops the connections and removes the socket, after what was received has been recorded.
// It returns an error when lines were rejected: their number and what was wrong with the first. A second call
// returns the same.
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

// A line is one event as it comes over the socket.
type line struct {
	ID      string          `json:"id"`
	Kind    string          `json:"kind"`
	Attempt json.RawMessage `json:"attempt"`
	At      int64           `json:"at"`
	Outcome string          `json:"outcome"`
	PID     uint32          `json:"pid"`
	Node    string          `json:"node"`
	Sync    bool            `json:"sync"`
}

func (l *line) parse(raw []byte) error { return json.Unmarshal(raw, l) }

func (s *Sink) event(l *line) (Event, error) {
	e := Event{Task: Foreign, At: l.At, PID: l.PID}
	if seq, ok := s.run.Parse(l.ID); ok {
		e.Task = seq
	}
	kind, ok := value(kindNames[:], l.Kind)
	if !ok || kind == 0 {
		return e, fmt.Errorf("unknown kind %q: it is one of %s", l.Kind, strings.Join(kindNames[1:], ", "))
	}
	outcome, ok := value(outcomeNames[:], l.Outcome)
	if !ok {
		return e, fmt.Errorf("unknown outcome %q: it is one of %s", l.Outcome, strings.Join(outcomeNames[1:], ", "))
	}
	e.Kind, e.Outcome = Kind(kind), Outcome(outcome)
	if (e.Kind == Finished) != (e.Outcome != None) {
		return e, errors.New("an outcome belongs to kind finished, and to no other")
	}
	node := slices.Index(s.nodes, l.Node)
	if node < 0 {
		return e, fmt.Errorf("unknown node %q: it is one of %s", l.Node, strings.Join(s.nodes, ", "))
	}
	e.Node = uint16(node)
	if e.At == 0 {
		e.At = Now()
	}
	var err error
	e.Attempt, err = attemptID(l.Attempt)
	return e, err
}

// attemptID takes an integer as it is, and makes a number of any other name.
func attemptID(raw json.RawMessage) (uint64, error) {
	var name string
	if len(raw) > 0 && raw[0] == '"' {
		if err := json.Unmarshal(raw, &name); err != nil {
			return 0, err
		}
	} else {
		name = string(raw)
		if _, err := strconv.ParseUint(name, 10, 64); err != nil {
			return 0, errors.New("attempt must be a string, or an integer from 0 to 2^64-1")
		}
	}
	if name == "" {
		return 0, errors.New("attempt is missing: it names the attempt, and is unique in the run")
	}
	if n, err := strconv.ParseUint(name, 10, 64); err == nil {
		return n, nil
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return h.Sum64(), nil
}

package turns

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
)

// request is a command of MongoDB's protocol; the number tells its message from others.
func request(name string, number uint32) []byte {
	m := make([]byte, first, first+len(name)+1)
	m = append(append(m, name...), 0)
	binary.LittleEndian.PutUint32(m, uint32(len(m)))
	binary.LittleEndian.PutUint32(m[4:], number)
	binary.LittleEndian.PutUint32(m[12:], commands)
	return m
}

// A site is a keeper before a server that answers when it is told to.
type site struct {
	*Keeper
	answer chan bool // false: hang up

	mu  sync.Mutex
	got []uint32 // the numbers of the requests that have reached it
}

func newSite() *site {
	s := &site{answer: make(chan bool)}
	s.Keeper = New("")
	s.dial = func() (net.Conn, error) {
		near, far := net.Pipe()
		go s.serve(far)
		return near, nil
	}
	return s
}

func (s *site) serve(c net.Conn) {
	defer c.Close()
	for {
		m, err := message(c)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.got = append(s.got, binary.LittleEndian.Uint32(m[4:]))
		s.mu.Unlock()
		if unanswered(m) {
			continue
		}
		if !<-s.answer {
			return
		}
		if _, err := c.Write(m); err != nil {
			return
		}
	}
}

// client asks one thing, and returns its end of the connection and what tells whether the answer has come.
func (s *site) client(m []byte) (net.Conn, <-chan bool) {
	near, far := net.Pipe()
	go s.attend(far)
	answered := make(chan bool, 1)
	go func() {
		if _, err := near.Write(m); err != nil {
			answered <- false
			return
		}
		back, err := message(near)
		answered <- err == nil && bytes.Equal(back, m)
	}()
	synctest.Wait()
	return near, answered
}

// has tells which requests are to have reached the server so far.
func (s *site) has(t *testing.T, want ...uint32) {
	t.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.got, want) {
		t.Fatalf("the server has got %v, want %v", s.got, want)
	}
}

func TestOneWriteAtATimeInTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite()
		var ends []net.Conn
		var answers []<-chan bool
		for i, name := range []string{"insert", "delete", "update", "findAndModify", "insert"} {
			end, answered := s.client(request(name, uint32(i)))
			ends, answers = append(ends, end), append(answers, answered)
		}
		for i, answered := range answers {
			s.has(t, []uint32{0, 1, 2, 3, 4}[:i+1]...)
			s.answer <- true
			if !<-answered {
				t.Errorf("client %d has not got its answer", i)
			}
		}
		for _, end := range ends {
			_ = end.Close()
		}
	})
}

func TestReadsWaitForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite()
		writer, written := s.client(request("insert", 1))
		reader, read := s.client(request("find", 2))
		s.has(t, 1, 2)
		s.answer <- true
		s.answer <- true
		if !<-written || !<-read {
			t.Error("an answer has not come")
		}
		_, _ = writer.Close(), reader.Close()
	})
}

// Its turn lasts until the server is done, and no longer.
func TestAClientThatDiesInItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite()
		dying, _ := s.client(request("insert", 1))
		next, answered := s.client(request("insert", 2))
		_ = dying.Close()
		s.has(t, 1)
		s.answer <- true
		s.has(t, 1, 2)
		s.answer <- true
		if !<-answered {
			t.Error("the next has not got its answer")
		}
		_ = next.Close()
	})
}

func TestAServerThatHangsUpInATurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite()
		_, answered := s.client(request("insert", 1))
		next, later := s.client(request("insert", 2))
		s.answer <- false
		if <-answered {
			t.Error("an answer came from nowhere")
		}
		s.has(t, 1, 2)
		s.answer <- true
		if !<-later {
			t.Error("the next has not got its answer")
		}
		_ = next.Close()
	})
}

// Who wants no answer is not waited for, and what it asks next goes on.
func TestWhatWantsNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite()
		silent := request("insert", 1)
		silent[header] |= moreToCome
		end, answered := s.client(append(silent, request("insert", 2)...))
		s.has(t, 1, 2)
		s.answer <- true
		<-answered
		_ = end.Close()
	})
}

func TestMessagesThatAreNone(t *testing.T) {
	for _, n := range []uint32{0, header - 1, largest + 1} {
		if m, err := message(bytes.NewReader(binary.LittleEndian.AppendUint32(nil, n))); err == nil {
			t.Errorf("%d bytes are taken for a message: %x", n, m)
		}
	}
	if name := command(request("insert", 1)[:first-1]); name != "" {
		t.Errorf("what is cut short is taken for %s", name)
	}
	of := request("insert", 1)
	binary.LittleEndian.PutUint32(of[12:], 2004) // a kind of old
	if name := command(of); name != "" {
		t.Errorf("what is of another kind is taken for %s", name)
	}
}

// A listener says one thing after the other.
type listener struct {
	net.Listener
	say []any
}

func (l *listener) Accept() (net.Conn, error) {
	said := l.say[0]
	l.say = l.say[1:]
	if c, ok := said.(net.Conn); ok {
		return c, nil
	}
	return nil, said.(error)
}

// A server that has too many connections for a moment must not end for that.
func TestServeOutlastsWhatPasses(t *testing.T) {
	for _, c := range []struct{ last, want error }{{net.ErrClosed, nil}, {io.ErrUnexpectedEOF, io.ErrUnexpectedEOF}} {
		synctest.Test(t, func(t *testing.T) {
			s := newSite()
			near, far := net.Pipe()
			tooMany := &net.OpError{Op: "accept", Err: fmt.Errorf("accept4: %w", syscall.EMFILE)}
			l := &listener{say: []any{tooMany, &net.OpError{Op: "accept", Err: syscall.ECONNABORTED}, far, tooMany, c.last}}
			if err := s.Serve(l); !errors.Is(err, c.want) || len(l.say) != 0 {
				t.Errorf("it ends with %v, and %d connections to accept; want %v", err, len(l.say), c.want)
			}
			if _, err := near.Write(request("find", 1)); err != nil {
				t.Error(err)
			}
			s.has(t, 1)
			s.answer <- true
			if _, err := message(near); err != nil {
				t.Error(err)
			}
			_ = near.Close()
		})
	}
}

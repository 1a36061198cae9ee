package pool

import (
	"io"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// desks makes a line, and idle desks whose children do nothing, so that the test says when what they are sent is read.
func desks(t *testing.T, n int) (l *line, sent []*os.File) {
	t.Helper()
	l = &line{brief: time.Hour, patience: time.Hour}
	for range n {
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			read.Close()
			write.Close()
		})
		p := &process{jobs: write, wide: true, book: &notebook{notes: make([]note, 1)}, gone: make(chan struct{})}
		p.users.Store(1)
		l.add(p)
		sent = append(sent, read)
	}
	return l, sent
}

// newcomer is a caller whose job's frame is of that size.
func newcomer(t *testing.T, size int) *caller {
	t.Helper()
	return newCaller(t.Context(), &Job{frame: make([]byte, size)})
}

// Whoever was to send what is at its desk, and leaves, leaves nobody there unsent.
func TestWhoLeavesADeskLeavesNothingUnsent(t *testing.T) {
	l, _ := desks(t, 1)
	first, second := newcomer(t, 100), newcomer(t, 100)
	l.mu.Lock()
	l.queue(first)
	l.queue(second)
	l.match()
	d := l.desks[0]
	l.due, d.due = nil, false
	l.pass(d)
	l.mu.Unlock()
	if do := l.look(first); do != toSend {
		t.Fatalf("the first finds %d, want that it is to send", do)
	}
	if !l.quit(first) {
		t.Fatal("the first cannot leave")
	}
	if do := l.look(second); do != toFollow {
		t.Errorf("the second finds %d, want its job sent", do)
	}
}

// Whoever wants to leave while its job is sent, and then waits after all, can leave: nobody else wakes it up for that.
func TestWhoWantsToLeaveWhileItsJobIsSent(t *testing.T) {
	l, sent := desks(t, 1)
	l.join(newcomer(t, 100))
	c := newcomer(t, 100)
	fill(t, l.desks[0].child.jobs)
	joined := make(chan bool)
	go func() {
		l.join(c)
		close(joined)
	}()
	until(t, "its job is being sent", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return c.number != 0
	})
	if l.quit(c) {
		t.Fatal("it left while its job was sent")
	}
	go io.Copy(io.Discard, sent[0])
	<-joined
	select {
	case <-c.wake:
	default:
		t.Error("it waits behind another, and does not know that it can leave")
	}
	if do := l.look(c); do != toWait {
		t.Errorf("it finds %d, want that it waits", do)
	}
	if !l.quit(c) {
		t.Error("it cannot leave")
	}
}

// A large job, which is sent for as long as its child takes to read it, holds up no other.
func TestALargeJobHoldsUpNoOther(t *testing.T) {
	l, sent := desks(t, 2)
	large, small := newcomer(t, 1<<20), newcomer(t, 100)
	l.mu.Lock()
	l.queue(large)
	l.queue(small)
	l.match()
	l.mu.Unlock() // as who sends at a third desk does meanwhile
	pushed := make(chan bool)
	go func() {
		l.push(large)
		close(pushed)
	}()
	if err := sent[1].SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(sent[1], make([]byte, 100)); err != nil {
		t.Errorf("the small job is not sent: %v", err)
	}
	if _, err := io.ReadFull(sent[0], make([]byte, 1<<20)); err != nil {
		t.Errorf("the large job is not sent: %v", err)
	}
	<-pushed
}

// fill leaves no room in a pipe.
func fill(t *testing.T, pipe *os.File) {
	t.Helper()
	raw, err := pipe.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	page := make([]byte, os.Getpagesize())
	err = raw.Write(func(fd uintptr) bool {
		for {
			if _, err := unix.Write(int(fd), page); err != nil {
				return true
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

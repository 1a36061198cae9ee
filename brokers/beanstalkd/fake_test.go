package beanstalkd

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/servertest"
)

// soon is how long something that must happen may take.
const soon = 20 * time.Second

// fake speaks enough of the protocol to be opened; what it says to all else is its test's. "" cuts the link, and
// silence says nothing.
type fake struct {
	url string
	say func(command string) string
}

const silence = "silence"

func newFake(t *testing.T, say func(command string) string) *fake {
	t.Helper()
	f := &fake{say: say}
	f.url = "beanstalk://" + servertest.Serve(t, f.serve)
	return f
}

func (f *fake) serve(c net.Conn) {
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(line, "put ") {
			var priority, delay, ttr, n int64
			if _, err := fmt.Sscanf(line, "put %d %d %d %d", &priority, &delay, &ttr, &n); err != nil {
				return
			}
			if _, err := io.CopyN(io.Discard, r, n+2); err != nil {
				return
			}
		}
		said := f.answer(line)
		if said == "" {
			return
		}
		if said == silence {
			continue
		}
		if _, err := io.WriteString(c, said+"\r\n"); err != nil {
			return
		}
	}
}

func (f *fake) answer(line string) string {
	name, rest, _ := strings.Cut(line, " ")
	if said := f.say(line); said != "default" {
		return said
	}
	switch name {
	case "stats":
		return "OK 15\r\nversion: \"fake\""
	case "use":
		return "USING " + rest
	case "watch", "ignore":
		return "WATCHING 1"
	}
	return "USING default"
}

func (f *fake) open(t *testing.T) brokers.Broker {
	t.Helper()
	b, err := Driver.Open(t.Context(), f.url, Driver.Variants[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// toPut answers puts, and all else as a server does.
func toPut(said string) func(string) string {
	return func(command string) string {
		if strings.HasPrefix(command, "put ") {
			return said
		}
		return "default"
	}
}

func TestOutcomesOfAPut(t *testing.T) {
	for said, definite := range map[string]bool{
		"DRAINING": true, "JOB_TOO_BIG": true, "OUT_OF_MEMORY": true,
		"INTERNAL_ERROR": false, "BURIED 3": false, "": false, "HTTP/1.1 200 OK": false, "BAD_FORMAT": false,
	} {
		b := newFake(t, toPut(said)).open(t)
		if err := b.Publish(t.Context(), brokers.Message{Queue: "q"}); err == nil || brokers.Definite(err) != definite {
			t.Errorf("a server that says %q to a put: %v, Definite %v, want %v", said, err, brokers.Definite(err), definite)
		}
	}
}

// A put behind a use that has failed goes to another tube: nobody knows that it has not been stored.
func TestATubeThatCannotBeUsed(t *testing.T) {
	b := newFake(t, func(command string) string {
		switch name, _, _ := strings.Cut(command, " "); name {
		case "use":
			return "OUT_OF_MEMORY"
		case "put":
			return "INSERTED 3"
		}
		return "default"
	}).open(t)
	if err := b.Publish(t.Context(), brokers.Message{Queue: "q"}); err == nil || brokers.Definite(err) {
		t.Errorf("published to another tube: %v, Definite %v", err, brokers.Definite(err))
	}
}

// The server answers to no put before it has seen as many as there are publishers.
func TestPublishersShareAnExchange(t *testing.T) {
	const publishers = 50
	var seen atomic.Int64
	b := newFake(t, func(command string) string {
		if !strings.HasPrefix(command, "put ") {
			return "default"
		}
		if seen.Add(1) < publishers {
			return silence
		}
		return strings.Repeat("INSERTED 1\r\n", publishers-1) + "INSERTED 1"
	}).open(t)
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	var all sync.WaitGroup
	for range publishers {
		all.Go(func() {
			if err := b.Publish(ctx, brokers.Message{Queue: "q"}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// What could not be sent has not been stored, and what could may have been.
func TestAPutThatWaitsIsTakenBack(t *testing.T) {
	b := newFake(t, toPut(silence)).open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Publish(ctx, brokers.Message{Queue: "q"}); !brokers.Definite(err) {
		t.Errorf("a put that was never sent: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := b.Publish(ctx, brokers.Message{Queue: "q"}); err == nil || brokers.Definite(err) {
		t.Errorf("a put without an answer: %v, Definite %v", err, brokers.Definite(err))
	}
}

// Of an answer that is there and a context that has ended, the answer says more: every time.
func TestAnAnswerThatIsThereIsNotLost(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 {
		a, c := newAnswers(), command(nil, "put")
		c.take()
		a.tell(reply{word: "INSERTED"}, nil)
		if r, err := a.await(ctx, c); err != nil || r.word != "INSERTED" {
			t.Fatalf("the answer became %q, %v", r.word, err)
		}
	}
}

func TestASilentServerIsGivenUp(t *testing.T) {
	t.Parallel()
	b := newFake(t, toPut(silence)).open(t)
	began := time.Now()
	err := b.Publish(t.Context(), brokers.Message{Queue: "q"})
	if took := time.Since(began); err == nil || brokers.Definite(err) || took > 10*time.Second {
		t.Errorf("after %v: %v, Definite %v", took, err, brokers.Definite(err))
	}
}

func TestServersOfAnotherKind(t *testing.T) {
	for _, said := range []string{"HTTP/1.1 400 Bad Request", "-ERR unknown command 'stats'", "UNKNOWN_COMMAND"} {
		f := newFake(t, func(string) string { return said })
		_, err := Driver.Open(t.Context(), f.url, Driver.Variants[0])
		if !brokers.Definite(err) || !strings.Contains(err.Error(), said[:8]) {
			t.Errorf("opened what says %q: %v", said, err)
		}
	}
}

package redis

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/redis/link"
	"taskbench/brokers/servertest"
)

// fake speaks enough of the protocol to publish to. What it says to LPUSH is its test's; "" cuts the link.
type fake struct {
	url string

	mu       sync.Mutex
	pushes   int
	taught   int
	pushSays string
	evalSays []string // for each EVALSHA in turn; the last one stays
	deaf     bool     // to SUBSCRIBE
	old      bool     // as before Redis 7
	links    []net.Conn
}

// silence is an answer that never comes.
const silence = "silence"

func newFake(t *testing.T, pushSays string, evalSays ...string) *fake {
	t.Helper()
	f := &fake{pushSays: pushSays, evalSays: evalSays}
	f.url = "redis://" + servertest.Serve(t, f.serve) + "/0"
	return f
}

func (f *fake) serve(c net.Conn) {
	f.mu.Lock()
	f.links = append(f.links, c)
	f.mu.Unlock()
	r := bufio.NewReader(c)
	for {
		args, err := request(r)
		if err != nil {
			return
		}
		reply := f.answer(args)
		if reply == "" {
			return
		}
		if reply == silence {
			continue
		}
		if _, err := io.WriteString(c, reply+"\r\n"); err != nil {
			return
		}
	}
}

func (f *fake) answer(args []string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch strings.ToLower(args[0]) {
	case "lpush":
		f.pushes++
		return f.pushSays
	case "script":
		if f.taught++; f.old {
			return "-ERR Error compiling script (new function): user_script:1: unexpected symbol near '#'"
		}
		return "$0\r\n"
	case "evalsha":
		says := f.evalSays[0]
		if len(f.evalSays) > 1 {
			f.evalSays = f.evalSays[1:]
		}
		return says
	case "blmove":
		return silence
	case "subscribe":
		if f.deaf {
			return silence
		}
		return "*3\r\n$9\r\nsubscribe\r\n$" + strconv.Itoa(len(args[1])) + "\r\n" + args[1] + "\r\n:1"
	case "hello", "client":
		return "-ERR unknown command"
	case "select":
		return "+OK"
	}
	return ":1"
}

func (f *fake) counts() (pushes, taught int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.pushes, f.taught
}

// request reads an array of bulk strings.
func request(r *bufio.Reader) ([]string, error) {
	number := func() (int, error) {
		line, err := r.ReadString('\n')
		if err != nil {
			return 0, err
		}
		return strconv.Atoi(strings.TrimSpace(line[1:]))
	}
	n, err := number()
	if err != nil {
		return nil, err
	}
	args := make([]string, n)
	for i := range args {
		size, err := number()
		if err != nil {
			return nil, err
		}
		data := make([]byte, size+2)
		if _, err := io.ReadFull(r, data); err != nil {
			return nil, err
		}
		args[i] = string(data[:size])
	}
	return args, nil
}

func openFake(t *testing.T, f *fake) brokers.Broker {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	b, err := open(ctx, f.url, Driver.Variants[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func TestPublishTellsWhatIsKnown(t *testing.T) {
	for name, c := range map[string]struct {
		says         string
		ok, definite bool
	}{
		"stored":        {":1", true, false},
		"out of memory": {"-OOM command not allowed when used memory > 'maxmemory'.", false, true},
		"read only":     {"-READONLY You can't write against a read only replica.", false, true},
		"link cut":      {"", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, c.says)
			b := openFake(t, f)
			err := b.Publish(t.Context(), brokers.Message{Queue: "q"})
			if (err == nil) != c.ok || err != nil && brokers.Definite(err) != c.definite {
				t.Errorf("got %v (Definite %v)", err, brokers.Definite(err))
			}
			if n, _ := f.counts(); n != 1 {
				t.Errorf("the message was sent %d times", n)
			}
		})
	}
}

func TestBatchTellsEach(t *testing.T) {
	f := newFake(t, ":2")
	errs := openFake(t, f).(brokers.Batcher).PublishBatch(t.Context(), []brokers.Message{
		{Queue: "q"}, {Queue: "q", Headers: map[string]any{"bad": make(chan int)}}, {Queue: "q"}, {Queue: "q", Priority: 5},
	})
	if errs[0] != nil || !brokers.Definite(errs[1]) || errs[2] != nil || errs[3] != nil {
		t.Errorf("got %v", errs)
	}
	if n, _ := f.counts(); n > 2 {
		t.Errorf("%d pushes for two lists", n)
	}
}

func TestForgottenScriptsAreTaughtAgain(t *testing.T) {
	f := newFake(t, ":1", "-NOSCRIPT No matching script.", ":3")
	b := openFake(t, f)
	_, before := f.counts()
	_, unacked, err := b.(brokers.Inspector).Depth(t.Context(), "q")
	if err != nil || unacked != 3 {
		t.Errorf("after a restart of the server: %d, %v", unacked, err)
	}
	if _, after := f.counts(); before != len(scripts) || after != 2*before {
		t.Errorf("scripts were taught %d times, then %d", before, after)
	}
}

func TestOpenIsRefusedAtOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := open(ctx, fmt.Sprintf("redis://%s/0", l.Addr()), Driver.Variants[0]); !brokers.Definite(err) || ctx.Err() != nil {
		t.Errorf("got %v, want a Definite error before the deadline", err)
	}
}

func TestOpenKeepsItsDeadline(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // and accepts nothing
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }() // the test is over
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err = open(ctx, fmt.Sprintf("redis://%s/0", l.Addr()), Driver.Variants[0])
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > link.Patience/2 {
		t.Errorf("got %v after %v", err, time.Since(began))
	}
}

// A link that breaks the moment after Consume must be seen, so Consume waits for the connection that shows it.
func TestConsumeWaitsUntilALossWouldBeSeen(t *testing.T) {
	f := newFake(t, ":1", "*0")
	f.deaf = true
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := openFake(t, f).Consume(ctx, []string{"q"}, 1); !brokers.Definite(err) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with no such connection: %v, want a Definite deadline", err)
	}

	f = newFake(t, ":1", "*0")
	c, err := openFake(t, f).Consume(t.Context(), []string{"q"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	for _, l := range f.links {
		_ = l.Close() // that is the fault
	}
	f.mu.Unlock()
	select {
	case _, open := <-c.Deliveries():
		if open || c.Err() == nil {
			t.Errorf("after the loss: open %v, Err %v", open, c.Err())
		}
	case <-time.After(link.Patience / 2):
		t.Error("the loss is not seen")
	}
}

func TestLastingQueueAtFanoutIsRefused(t *testing.T) {
	f := newFake(t, ":1")
	b, err := open(t.Context(), f.url, brokers.Variant{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}()
	err = b.(brokers.Exchanger).Bind(t.Context(), brokers.Binding{Exchange: brokers.Exchange{Name: "all", Kind: brokers.Fanout}, Queue: "q"})
	if !brokers.Definite(err) || !strings.Contains(err.Error(), "use a direct or topic exchange") {
		t.Errorf("%v", err)
	}
}

// What an old server lacks is told once, when it is connected to, and not command by command.
func TestOldServersAreRefused(t *testing.T) {
	for _, name := range []string{"memory", streamVariant} {
		f := newFake(t, ":1")
		f.old = true
		v, err := Driver.Variant(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := open(t.Context(), f.url, v); !brokers.Definite(err) || !strings.Contains(err.Error(), "open redis at") || !strings.Contains(err.Error(), "need Redis 7 or newer") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

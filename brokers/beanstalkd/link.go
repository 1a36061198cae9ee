package beanstalkd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/feed"
)

const (
	// patience is how long a server that has something to answer may be without a byte. It is what makes a link
	// that died silently be noticed. It is counted in glances, so that a process that stood still itself, on a busy
	// machine or for a signal, does not blame the server.
	patience = 4 * time.Second
	glance   = 500 * time.Millisecond

	buffer = 64 << 10
	slice  = 256 << 10 // written at once, so that progress is seen
)

// A link is one connection. Commands go out without waiting for the replies to those before, and what many callers
// want at the same time goes out in one write.
type link struct {
	conn    net.Conn
	addr    string
	lost    func(error) // told once, when the link has failed
	more    chan struct{}
	ended   chan struct{}
	active  atomic.Bool // there was progress towards the reply that is due, since the last glance
	current *call       // that is being written; the writer's own

	mu       sync.Mutex
	queued   []*call
	sent     []*call       // their replies come in this order
	watching bool          // from time to time, while a reply is due
	silent   time.Duration // for so long
	err      error
}

// dial connects. Its errors are Definite.
func dial(ctx context.Context, addr string, lost func(error)) (*link, error) {
	d := net.Dialer{Timeout: patience}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, brokers.Refusef("connect to beanstalkd: %w", brokers.Unreached(err))
	}
	l := &link{conn: conn, addr: addr, lost: lost, more: make(chan struct{}, 1), ended: make(chan struct{})}
	go l.write()
	go l.read()
	return l, nil
}

// send queues calls, which go out one behind the other.
func (l *link) send(calls ...*call) {
	l.mu.Lock()
	err := l.err
	if err == nil {
		l.queued = append(l.queued, calls...)
	}
	l.mu.Unlock()
	if err != nil {
		abandon(calls, err)
		return
	}
	feed.Signal(l.more)
}

// abandon tells calls that were never sent.
func abandon(calls []*call, err error) {
	for _, c := range calls {
		if c.take() {
			c.then(reply{}, brokers.Refuse(err))
		}
	}
}

// write sends what is queued, all that there is at a time.
func (l *link) write() {
	w := bufio.NewWriterSize(l, buffer)
	var batch []*call
	var used string
	for {
		select {
		case <-l.more:
		case <-l.ended:
			return
		}
		clear(batch)
		l.mu.Lock()
		batch, l.queued = l.queued, batch[:0]
		l.mu.Unlock()
		for _, c := range batch {
			if !c.take() {
				continue
			}
			if c.tube != "" && c.tube != used {
				used = c.tube
				l.put(w, command(l.using, "use %s", used))
			}
			l.put(w, c)
		}
		_ = w.Flush() // what is wrong has failed the link
	}
}

// using fails the link when a tube cannot be used: what follows would go to another.
func (l *link) using(r reply, err error) {
	if err == nil && r.word != "USING" {
		l.fail(r.demand("USING"))
	}
}

// put writes one call, whose reply is expected from then on. Errors have failed the link.
func (l *link) put(w *bufio.Writer, c *call) {
	l.mu.Lock()
	err := l.err
	if err == nil {
		if len(l.sent) == 0 {
			l.silent = 0
		}
		l.sent = append(l.sent, c)
		if !l.watching {
			l.watching = true
			time.AfterFunc(glance, l.watch)
		}
	}
	l.mu.Unlock()
	if err != nil {
		c.then(reply{}, brokers.Refuse(err))
		return
	}
	l.current = c
	_, _ = w.WriteString(c.line)
	if c.body != nil {
		_ = w.WriteByte(' ')
		_, _ = w.WriteString(strconv.Itoa(len(c.body)))
		_, _ = w.WriteString("\r\n")
		_, _ = w.Write(c.body)
	}
	_, _ = w.WriteString("\r\n")
}

// Write implements io.Writer for the buffer above the connection. It is progress only as long as the command whose reply
// is due has not gone out: what the kernel takes on a dead link is none.
func (l *link) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var done int
		done, err = l.conn.Write(p[n:min(n+slice, len(p))])
		n += done
		l.mu.Lock()
		due := len(l.sent) > 0 && l.sent[0] == l.current
		l.mu.Unlock()
		if due {
			l.active.Store(true)
		}
	}
	if err != nil {
		l.fail(err)
	}
	return n, err
}

// Read implements io.Reader likewise.
func (l *link) Read(p []byte) (int, error) {
	n, err := l.conn.Read(p)
	l.active.Store(true)
	return n, err
}

// read hands each reply to its call.
func (l *link) read() {
	r := bufio.NewReaderSize(readerOnly{l}, buffer)
	for {
		rep, err := readReply(r)
		if err != nil {
			l.fail(err)
			return
		}
		l.mu.Lock()
		var c *call
		if len(l.sent) > 0 {
			c, l.sent[0] = l.sent[0], nil
			l.sent = l.sent[1:]
		}
		l.mu.Unlock()
		if c == nil {
			l.fail(fmt.Errorf("it says %s, and nothing was asked", rep.word))
			return
		}
		c.then(rep, nil)
	}
}

// readerOnly hides that a link is a writer, too.
type readerOnly struct{ l *link }

func (r readerOnly) Read(p []byte) (int, error) { return r.l.Read(p) }

var errSilent = errors.New("it has been silent for too long")

// watch gives a link up that makes no progress while a reply is due.
func (l *link) watch() {
	l.mu.Lock()
	l.watching = len(l.sent) > 0 && l.err == nil
	again, dead := l.watching, false
	if l.silent += glance; l.active.Swap(false) {
		l.silent = 0
	}
	if again {
		dead = l.silent > patience+l.sent[0].wait
	}
	l.mu.Unlock()
	switch {
	case dead:
		l.fail(errSilent)
	case again:
		time.AfterFunc(glance, l.watch)
	}
}

// quiet tells whether nothing is on its way.
func (l *link) quiet() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err == nil && len(l.sent)+len(l.queued) == 0
}

func (l *link) failed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// fail ends the link. What was sent has an outcome that nobody knows; what was not sent has none. A second call does
// nothing.
func (l *link) fail(cause error) {
	l.mu.Lock()
	if l.err != nil {
		l.mu.Unlock()
		return
	}
	l.err = fmt.Errorf("link to beanstalkd at %s: %w", l.addr, cause)
	err, sent, queued := l.err, l.sent, l.queued
	l.sent, l.queued = nil, nil
	close(l.ended)
	l.mu.Unlock()
	_ = l.conn.Close() // it is given up
	for _, c := range sent {
		c.then(reply{}, unanswered{err})
	}
	abandon(queued, err)
	if l.lost != nil {
		l.lost(err)
	}
}

// An unanswered command may have been carried out. It does not unwrap: a cause that is Definite for what comes later
// is not so for what was sent before.
type unanswered struct{ cause error }

func (u unanswered) Error() string { return "sent, and not answered: " + u.cause.Error() }

// finish waits until all that was sent before has been answered, the link has failed, or ctx ends; then it ends the link.
func (l *link) finish(ctx context.Context) {
	_, _ = l.do(ctx, command(nil, "list-tube-used")) // its outcome changes nothing
	l.fail(brokers.ErrClosed)
}

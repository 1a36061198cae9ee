package beanstalkd

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"taskbench/brokers"
)

// A call is one command on its way: it is taken back while it waits to be sent, or sent; never both.
type call struct {
	line string        // without its end
	tube string        // that is to be in use, for a put
	body []byte        // for a put, of which line lacks the length
	wait time.Duration // how long the server may keep the reply back

	// then is called once, unless the call is taken back: with the reply, or with an error that is Definite where
	// nothing was sent. It must not wait for anything.
	then  func(reply, error)
	taken atomic.Bool
}

func command(then func(reply, error), format string, args ...any) *call {
	return &call{line: fmt.Sprintf(format, args...), then: then}
}

// take is true once.
func (c *call) take() bool { return c.taken.CompareAndSwap(false, true) }

// An answer is what a caller waits for.
type answer struct {
	reply reply
	err   error
}

type answers chan answer

func newAnswers() answers { return make(answers, 1) }

func (a answers) tell(r reply, err error) { a <- answer{r, err} }

// await waits for what will be told, on behalf of a call that is under way. When ctx ends first, the error is Definite
// if nothing had been sent.
func (a answers) await(ctx context.Context, c *call) (reply, error) {
	select {
	case got := <-a:
		return got.reply, got.err
	case <-ctx.Done():
		if c.take() {
			return reply{}, brokers.Refuse(ctx.Err())
		}
	}
	select {
	case got := <-a: // it was there when ctx ended
		return got.reply, got.err
	default:
		return reply{}, fmt.Errorf("sent, and no answer yet: %w", ctx.Err())
	}
}

// do sends a command and waits for its reply.
func (l *link) do(ctx context.Context, c *call) (reply, error) {
	if err := ctx.Err(); err != nil {
		return reply{}, brokers.Refuse(err)
	}
	a := newAnswers()
	c.then = a.tell
	l.send(c)
	return a.await(ctx, c)
}

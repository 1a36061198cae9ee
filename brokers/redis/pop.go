package redis

import (
	"context"
	"errors"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
	"taskbench/brokers/kombu"
)

// pop returns when the queue is bound. It takes by BRPOP what comes, as kombu does where nothing is acknowledged.
func (b *broker) pop(ctx context.Context, bind brokers.Binding) (<-chan brokers.Message, error) {
	p := &popper{b: b, bind: bind, conn: b.rdb.Conn(), out: make(chan brokers.Message), popped: make(chan string), stop: make(chan struct{}), done: make(chan struct{})}
	err := brokers.Within(ctx, func() (err error) {
		if p.id, err = p.conn.ClientID(ctx).Result(); err == nil {
			err = b.rdb.SAdd(ctx, bindings+bind.Exchange.Name, member(bind)).Err()
		}
		return err
	})
	if err != nil {
		_ = p.conn.Close() // nobody needs it any more
		return nil, err
	}
	go p.take()
	go func() {
		defer b.listeners.Done()
		p.hand(ctx)
	}()
	return p.out, nil
}

// A popper hands on what comes into the lists of one queue.
type popper struct {
	b      *broker
	bind   brokers.Binding
	conn   *goredis.Conn
	id     int64 // by which the server knows the connection
	out    chan brokers.Message
	popped chan string
	stop   chan struct{} // closed when no more is wanted
	done   chan struct{} // closed when no more is taken
}

func (p *popper) take() {
	defer close(p.done)
	defer func() { _ = p.conn.Close() }() // it has failed, or nobody needs it any more
	ctx := context.Background()
	args := []any{"brpop"}
	for _, l := range listsOf(p.bind.Queue) {
		args = append(args, l)
	}
	args = append(args, 1) // second: patience is for the answer
	for {
		select {
		case <-p.stop:
			return
		default:
		}
		cmd := goredis.NewStringSliceCmd(ctx, args...)
		err := p.conn.Process(ctx, cmd)
		if errors.Is(err, goredis.Nil) {
			continue
		}
		if err != nil {
			return
		}
		select {
		case p.popped <- cmd.Val()[1]:
		case <-p.stop:
			return
		}
	}
}

func (p *popper) hand(ctx context.Context) {
	for {
		select {
		case raw := <-p.popped:
			m, _ := kombu.Decode(p.bind.Queue, raw)
			select {
			case p.out <- m:
				continue
			case <-ctx.Done():
			case <-p.b.ended:
			}
		case <-ctx.Done():
		case <-p.b.ended:
		case <-p.done:
			close(p.out) // first, for what follows may take as long as the server lets it wait
			p.remove()
			return
		}
		p.halt()
		p.remove()
		close(p.out)
		return
	}
}

// halt returns when nothing more is taken: who subscribes to the same queue next must not lose a message to it.
func (p *popper) halt() {
	close(p.stop)
	t := time.NewTicker(20 * time.Millisecond)
	defer t.Stop()
	for {
		// Where that is refused, the BRPOP ends by itself within a second.
		_ = p.b.rdb.ClientUnblock(context.Background(), p.id).Err()
		select {
		case <-p.done:
			return
		case <-t.C: // it may not have been blocked yet
		}
	}
}

// remove takes back the binding and what came too late, as kombu does.
func (p *popper) remove() {
	ctx := context.Background()
	drop := []any{"del"}
	for _, l := range listsOf(p.bind.Queue) {
		drop = append(drop, l)
	}
	unbind := goredis.NewIntCmd(ctx, "srem", bindings+p.bind.Exchange.Name, member(p.bind))
	p.b.exec(ctx, unbind, goredis.NewIntCmd(ctx, drop...)) // where it fails the link is lost, and a name is left behind
}

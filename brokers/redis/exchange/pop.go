package exchange

import (
	"context"
	"errors"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
	"taskbench/brokers/kombu"
	"taskbench/brokers/redis/keys"
	"taskbench/brokers/redis/link"
)

// pop returns when the queue is bound. It takes by BRPOP what comes, as kombu does where nothing is acknowledged.
func (x *Exchanges) pop(ctx context.Context, bind brokers.Binding) (<-chan brokers.Message, error) {
	p := &popper{x: x, bind: bind, conn: x.link.Client.Conn(), out: make(chan brokers.Message), popped: make(chan string), stop: make(chan struct{}), done: make(chan struct{})}
	err := brokers.Within(ctx, func() (err error) {
		if p.id, err = p.conn.ClientID(ctx).Result(); err == nil {
			err = x.write(ctx, "sadd", p.bindings())
		}
		return err
	})
	if err != nil {
		_ = p.conn.Close() // nobody needs it any more
		return nil, err
	}
	go p.take()
	go func() {
		defer x.listeners.Done()
		p.hand(ctx)
	}()
	return p.out, nil
}

// A popper hands on what comes into the lists of one queue.
type popper struct {
	x      *Exchanges
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
	for _, l := range keys.ListsOf(p.bind.Queue) {
		args = append(args, l)
	}
	args = append(args, 1) // second: link.Patience is for the answer
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
			case <-p.x.ended:
			}
		case <-ctx.Done():
		case <-p.x.ended:
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
		_ = p.x.link.Client.ClientUnblock(context.Background(), p.id).Err()
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
	for _, l := range keys.ListsOf(p.bind.Queue) {
		drop = append(drop, l)
	}
	_ = p.x.write(ctx, "srem", p.bindings(), goredis.NewIntCmd(ctx, drop...)) // where it fails the link is lost, and a name is left behind
}

// bindings are those of the queue. Where lasting queues are no lists, whoever sends to the queue by its name, as to any queue
// there is, has to find out that this one is.
func (p *popper) bindings() []brokers.Binding {
	all := []brokers.Binding{p.bind}
	if p.x.layout != nil {
		all = append(all, ownName(p.bind.Queue))
	}
	return all
}

// ownName is the binding that every queue has to the exchange without a name.
func ownName(queue string) brokers.Binding {
	return brokers.Binding{Exchange: brokers.Exchange{Kind: brokers.Direct}, Key: queue, Queue: queue}
}

// write puts bindings into kombu's sets, or takes them out, and sends what else there is with it.
func (x *Exchanges) write(ctx context.Context, how string, all []brokers.Binding, more ...goredis.Cmder) error {
	for _, b := range all {
		more = append(more, goredis.NewIntCmd(ctx, how, keys.Bindings(b.Exchange.Name), member(b)))
	}
	x.link.Exec(ctx, more...)
	return link.FirstError(more)
}

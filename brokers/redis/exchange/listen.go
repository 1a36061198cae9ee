package exchange

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
	"taskbench/brokers/kombu"
	"taskbench/brokers/redis/link"
)

const (
	waiting   = 1000            // messages that a slow reader may leave waiting before more are dropped
	askEvery  = 2 * time.Second // whether a channel's link is alive
	deadAfter = 6 * time.Second // without a byte from the server, which is asked every other second
)

// Subscribe implements brokers.Exchanger. What goes to a fanout comes by publish and subscribe, without a binding,
// since no publisher looks for one; all else is bound, and taken from the queue's lists for good.
func (x *Exchanges) Subscribe(ctx context.Context, bind brokers.Binding) (<-chan brokers.Message, error) {
	if bind.Queue == "" {
		if bind.Exchange.Kind == brokers.Direct {
			return nil, brokers.Refusef("subscribe to exchange %s: no queue was named", bind.Exchange.Name)
		}
		bind.Queue = bind.Exchange.Name + "." + kombu.Identity()
	}
	if err := ctx.Err(); err != nil {
		return nil, brokers.Refusef("subscribe to exchange %s: %w", bind.Exchange.Name, err)
	}
	if err := x.enter(); err != nil {
		return nil, fmt.Errorf("subscribe to exchange %s: %w", bind.Exchange.Name, err)
	}
	begin := x.pop
	if broadcast(bind.Exchange) {
		begin = x.listen
	}
	out, err := begin(ctx, bind)
	if err != nil {
		x.listeners.Done()
		return nil, link.Judgef(err, "subscribe to exchange %s", bind.Exchange.Name)
	}
	return out, nil
}

// channelsOf are the patterns of channels on which a binding's messages come. A fanout is for all, whatever the key;
// of a topic, the server knows only that a * stands for anything, and the reader has to look closer.
func channelsOf(db int, bind brokers.Binding) []string {
	exchange := quoteGlob(bind.Exchange.Name)
	if bind.Exchange.Kind == brokers.Fanout {
		return []string{broadcastChannel(db, exchange, ""), broadcastChannel(db, exchange, "*")}
	}
	return []string{broadcastChannel(db, exchange, strings.ReplaceAll(bind.Key, "#", "*"))}
}

var globs = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`)

func quoteGlob(s string) string { return globs.Replace(s) }

// listen returns when the server has confirmed the channels.
func (x *Exchanges) listen(ctx context.Context, bind brokers.Binding) (<-chan brokers.Message, error) {
	patterns := channelsOf(x.link.DB, bind)
	sub := x.link.Client.PSubscribe(ctx, patterns...)
	confirmed := make(chan error, 1)
	go func() { confirmed <- confirm(sub, len(patterns)) }()
	var err error
	select {
	case err = <-confirmed:
	case <-ctx.Done():
		err = brokers.Refuse(ctx.Err())
	case <-x.ended:
		err = brokers.ErrClosed
	}
	if err != nil {
		_ = sub.Close() // it has failed, or nobody needs it any more
		return nil, err
	}
	l := &listener{sub: sub, bind: bind, prefix: broadcastChannel(x.link.DB, bind.Exchange.Name, ""), out: make(chan brokers.Message, waiting), lost: make(chan struct{})}
	l.heard.Store(time.Now().UnixNano())
	go l.read()
	go func() {
		defer x.listeners.Done()
		l.mind(ctx, x.ended)
	}()
	return l.out, nil
}

func confirm(sub *goredis.PubSub, n int) error {
	for range n {
		if _, err := sub.ReceiveTimeout(context.Background(), link.Patience); err != nil {
			return err
		}
	}
	return nil
}

// A listener hands on what is published on channels.
type listener struct {
	sub    *goredis.PubSub
	bind   brokers.Binding
	prefix string
	out    chan brokers.Message
	lost   chan struct{} // closed when nothing more will be read
	heard  atomic.Int64  // when the server last said something
}

// read never waits for the reader of out: the server would end the connection of a subscriber that lags.
func (l *listener) read() {
	defer close(l.lost)
	for {
		got, err := l.sub.Receive(context.Background())
		if err != nil {
			return
		}
		l.heard.Store(time.Now().UnixNano())
		said, ok := got.(*goredis.Message)
		if !ok {
			continue
		}
		key := strings.TrimPrefix(strings.TrimPrefix(said.Channel, l.prefix), "/")
		if !l.bind.Exchange.Kind.Fits(l.bind.Key, key) {
			continue
		}
		m, _ := kombu.Decode(l.bind.Queue, said.Payload)
		select {
		case l.out <- m:
		default:
		}
	}
}

// mind asks whether the server is there, since on a link that died silently a listener would wait for ever.
func (l *listener) mind(ctx context.Context, ended <-chan struct{}) {
	defer close(l.out)
	defer func() {
		_ = l.sub.Close() // makes Receive return
		<-l.lost
	}()
	t := time.NewTicker(askEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		case <-ended:
			return
		case <-l.lost:
			return
		}
		if time.Since(time.Unix(0, l.heard.Load())) > deadAfter || l.sub.Ping(context.Background()) != nil {
			return
		}
	}
}

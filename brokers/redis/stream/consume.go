package stream

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
	"taskbench/brokers/redis/lease"
	"taskbench/brokers/redis/link"
)

// subscription implements lease.Layout on streams. Beside those of its holder, goroutines have the server ring when there is
// something to claim, and move what was delayed and is due.
type subscription struct {
	*lease.Holder[hold]
	b     *broker
	names string // of the queues, as JSON
	bell  *goredis.Conn
	read  atomic.Pointer[map[string]string] // how far each stream was, when last a claim brought less than it wanted
}

// A hold is what is needed to settle a message.
type hold struct {
	stream, id string
}

// Consume implements brokers.Broker.
func (b *broker) Consume(ctx context.Context, queues []string, prefetch int) (brokers.Consumer, error) {
	if len(queues) == 0 {
		return nil, brokers.Refusef("consume from redis: no queue was named")
	}
	names, _ := json.Marshal(queues) // strings always can
	s := &subscription{b: b, names: string(names), bell: b.link.Client.Conn()}
	s.Holder = b.holders.New(s, queues, prefetch)
	if err := b.holders.Enter(ctx, s.Holder, s.register); err != nil {
		_ = s.bell.Close() // nobody needs it any more
		return nil, err
	}
	go b.delays.Move(s.Over(), func() {}) // who waits for the stream is woken by the entry
	return s.Consume(ctx, s.claim), nil
}

// register makes the consumer known, so that what it claims has an owner, and finds out at once what would keep it from
// claiming: a user without the right, a server that only reads, and a key of another type. From then on the end of the
// link is seen.
func (s *subscription) register(ctx context.Context) error {
	renewal := s.Renewal(ctx)
	// On a stream that is not there, the server says so once it has seen that the command is allowed.
	probe := goredis.NewCmd(ctx, "xreadgroup", "group", groupName, s.ID, "count", 1, "streams", noneKey, ">")
	cmds := []goredis.Cmder{renewal, probe}
	streams := streamsOf(s.Queues...)
	for _, stream := range streams {
		cmds = append(cmds, goredis.NewStatusCmd(ctx, "type", stream))
	}
	s.b.link.Exec(ctx, cmds...)
	if err := probe.Err(); err != nil && strings.HasPrefix(err.Error(), "NOGROUP") {
		probe.SetErr(nil)
	}
	if err := cmp.Or(link.FirstError(cmds), s.bell.Ping(ctx).Err()); err != nil {
		return err
	}
	for i, cmd := range cmds[2:] {
		if kind := cmd.(*goredis.StatusCmd).Val(); kind != "none" && kind != "stream" {
			return brokers.Refusef("key %s is a %s and not a stream: rename it, or give the broker a database of its own", streams[i], kind)
		}
	}
	return nil
}

// Renewal implements lease.Layout.
func (s *subscription) Renewal(ctx context.Context) *goredis.Cmd {
	return renewScript.Call(ctx, []string{consumersKey, queuesKey}, s.ID, s.b.link.Lease.Milliseconds(), s.names)
}

// Retirement implements lease.Layout.
func (s *subscription) Retirement() *goredis.Cmd { return retirement(s.ID, s.Queues) }

func retirement(id string, queues []string) *goredis.Cmd {
	return retireScript.Call(context.Background(), append([]string{consumersKey, queuesKey}, streamsOf(queues...)...), id)
}

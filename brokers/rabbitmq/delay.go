package rabbitmq

import (
	"context"
	"fmt"
	"maps"
	"math/bits"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"taskbench/brokers"
)

// Delayed messages go down a staircase. Level n is a topic exchange and a queue in which a message stays for 2^n
// seconds; then it is dead-lettered to the exchange of the level below. The routing key begins with the seconds that
// the message has to wait, as a word for each bit, the highest level's first: at each level a 1 sends it into the
// queue, and a 0 past it. The last exchange knows the queues of tasks by the rest of the key. The scheme is that of
// Celery's native delayed delivery; the names are others, because it dead-letters at most once.
//
// The steps are quorum queues that dead-letter at least once, whatever the queues of tasks are: a classic queue lets go
// of a message before the next one has it on its disk, and a server that is killed loses whatever has just moved.
const (
	levels  = 28 // the longest wait is 2^28-1 seconds, eight and a half years; what waits longer comes back before
	longest = 1<<levels - 1

	staircase = "taskbench_delayed_"
)

func step(level int) string {
	if level < 0 {
		return staircase + "due"
	}
	return staircase + strconv.Itoa(level)
}

// Delay implements brokers.Delayer.
func (b *broker) Delay(ctx context.Context, m brokers.Message, until time.Time) error {
	wait := min(int64(time.Until(until)/time.Second), longest)
	if wait <= 0 {
		return b.Publish(ctx, m)
	}
	if err := ctx.Err(); err != nil {
		return brokers.Refusef("delay a message of %s: %w", m.Queue, err)
	}
	p, err := b.publishes.get(ctx)
	if err == nil {
		var f *flight
		if f, err = p.delay(ctx, m, wait); err == nil {
			err = f.wait(ctx)
		}
	}
	if err != nil {
		return fmt.Errorf("delay a message of %s: %w", m.Queue, err)
	}
	return nil
}

// delay puts a message on its way to the highest level at which it has to wait.
func (p *publisher) delay(ctx context.Context, m brokers.Message, wait int64) (*flight, error) {
	m.Headers = withoutDeaths(m.Headers)
	msg, err := outgoing(m, p.transient)
	if err != nil {
		return nil, err
	}
	key := delayKey(wait, m.Queue)
	for word := range strings.SplitSeq(m.Queue, ".") {
		if word == "*" || word == "#" || len(key) > 255 {
			return nil, brokers.Refusef("queue %.40q has a name too long, or with a word that topics do not take", m.Queue)
		}
	}
	if err := p.topology.declare(m.Queue); err != nil {
		return nil, err
	}
	top := bits.Len64(uint64(wait)) - 1
	if err := brokers.Within(ctx, func() error { return p.topology.descend(top, m.Queue) }); err != nil {
		return nil, brokers.Refuse(err)
	}
	for level := range top + 1 {
		if err := p.topology.births.wait(ctx, step(level)); err != nil {
			return nil, err
		}
	}
	return p.launch(ctx, step(top), key, true, msg)
}

// delayKey is the routing key of a message that waits for so many seconds.
func delayKey(wait int64, queue string) string {
	key := make([]byte, 0, 2*levels+len(queue))
	for level := levels - 1; level >= 0; level-- {
		key = append(key, '0'+byte(wait>>level&1), '.')
	}
	return string(append(key, queue...))
}

// withoutDeaths are the headers without what the server notes when a message waits, which would add up.
func withoutDeaths(headers map[string]any) map[string]any {
	if headers["x-death"] == nil {
		return headers
	}
	headers = maps.Clone(headers)
	maps.DeleteFunc(headers, func(name string, _ any) bool {
		return name == "x-death" || strings.HasPrefix(name, "x-first-death-") || strings.HasPrefix(name, "x-last-death-")
	})
	return headers
}

// trust is how long the binding of a queue is believed in. If somebody deletes the queue, its binding goes with it, and
// the server does not tell: it would drop all that becomes due.
const trust = time.Second

// descend makes sure of the levels from the top one down, and that the last exchange knows the queue.
func (t *topology) descend(top int, queue string) error {
	known := "delayed to " + queue + " from " + strconv.Itoa(top)
	if at, done := t.known.Load(known); done && time.Since(at.(time.Time)) < trust {
		return nil
	}
	t.turn.Lock()
	defer t.turn.Unlock()
	for level := -1; level <= top; level++ {
		name := step(level)
		if _, done := t.known.Load(name); done {
			continue
		}
		if err := t.build(level); err != nil {
			return fmt.Errorf("declare %s: %w", name, otherwise(err))
		}
		t.known.Store(name, true)
	}
	now := time.Now()
	err := t.ask(func(ch *amqp.Channel) error {
		if err := declare(ch, queue, t.layout.arguments(queue)); err != nil {
			return err
		}
		return ch.QueueBind(queue, strings.Repeat("*.", levels)+queue, step(-1), false, nil)
	})
	if err != nil {
		return fmt.Errorf("bind queue %s to %s: %w", queue, step(-1), otherwise(err))
	}
	t.known.Store(known, now)
	return nil
}

// build declares one level; t.turn is held, and the level below is there.
func (t *topology) build(level int) error {
	name, below := step(level), step(level-1)
	if level < 0 {
		return t.ask(func(ch *amqp.Channel) error {
			return ch.ExchangeDeclare(name, amqp.ExchangeTopic, true, false, false, false, nil)
		})
	}
	args := amqp.Table{
		"x-queue-type":           "quorum",
		"x-message-ttl":          int64(1000) << level,
		"x-dead-letter-exchange": below,
		"x-dead-letter-strategy": "at-least-once",
		"x-overflow":             "reject-publish", // which that strategy asks for
	}
	missing := t.ask(func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclarePassive(name, true, false, false, false, args)
		return err
	})
	if absent(missing) {
		t.births.note(name)
	}
	before := strings.Repeat("*.", levels-1-level)
	return t.ask(func(ch *amqp.Channel) error {
		if err := ch.ExchangeDeclare(name, amqp.ExchangeTopic, true, false, false, false, nil); err != nil {
			return err
		}
		if _, err := ch.QueueDeclare(name, true, false, false, false, args); err != nil {
			return err
		}
		if err := ch.QueueBind(name, before+"1.#", name, false, nil); err != nil {
			return err
		}
		return ch.ExchangeBind(below, before+"0.#", name, false, nil)
	})
}

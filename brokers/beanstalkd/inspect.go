package beanstalkd

import (
	"context"
	"fmt"

	"taskbench/brokers"
)

// Depth implements brokers.Inspector.
func (b *broker) Depth(ctx context.Context, queue string) (ready, unacked int, err error) {
	r, err := b.statistics(ctx, queue)
	if err != nil {
		return 0, 0, fmt.Errorf("count queue %s: %w", queue, err)
	}
	return int(r.count("current-jobs-ready")), int(r.count("current-jobs-reserved")), nil
}

// statistics of a tube that does not exist are empty: it is made when it is needed, and goes when it is not.
func (b *broker) statistics(ctx context.Context, queue string) (reply, error) {
	tube, err := tubeOf(queue)
	if err != nil {
		return reply{}, err
	}
	l, err := b.link(ctx)
	if err != nil {
		return reply{}, err
	}
	r, err := l.do(ctx, command(nil, "stats-tube %s", tube))
	if err == nil {
		err = r.demand("OK", "NOT_FOUND")
	}
	return r, err
}

const purgeAtOnce = 32

// Purge implements brokers.Purger: it takes what is ready, and deletes it. When that fails midway, what it had taken and
// not deleted is ready again.
func (b *broker) Purge(ctx context.Context, queue string) (int, error) {
	n, err := b.purge(ctx, queue)
	if err != nil {
		return n, fmt.Errorf("purge queue %s after %d messages: %w", queue, n, err)
	}
	return n, nil
}

func (b *broker) purge(ctx context.Context, queue string) (n int, err error) {
	tube, err := tubeOf(queue)
	if err != nil {
		return 0, err
	}
	if _, err := b.link(ctx); err != nil { // it is closed, or there is no server
		return 0, err
	}
	l, err := dial(ctx, b.set.addr, nil)
	if err != nil {
		return 0, err
	}
	defer l.fail(brokers.ErrClosed)
	if err := l.watchOnly(ctx, []string{tube}); err != nil {
		return 0, err
	}
	for {
		calls := make([]*call, purgeAtOnce)
		for i := range calls {
			calls[i] = command(nil, "reserve-with-timeout 0")
		}
		taken, err := l.all(ctx, calls, "RESERVED", "TIMED_OUT", "DEADLINE_SOON") // the last of what is taken already
		if err != nil {
			return n, err
		}
		var deletes []*call
		for _, r := range taken {
			if r.word == "RESERVED" {
				deletes = append(deletes, command(nil, "delete %d", r.id))
			}
		}
		if len(deletes) == 0 {
			return n, nil
		}
		gone, err := l.all(ctx, deletes, "DELETED", "NOT_FOUND")
		for _, r := range gone {
			if r.word == "DELETED" {
				n++
			}
		}
		if err != nil {
			return n, err
		}
	}
}

// all sends calls at once and returns their replies, up to the first that is wrong.
func (l *link) all(ctx context.Context, calls []*call, words ...string) ([]reply, error) {
	outcomes := make([]answers, len(calls))
	for i, c := range calls {
		outcomes[i] = newAnswers()
		c.then = outcomes[i].tell
	}
	l.send(calls...)
	replies := make([]reply, 0, len(calls))
	for i, c := range calls {
		r, err := outcomes[i].await(ctx, c)
		if err == nil {
			err = r.demand(words...)
		}
		if err != nil {
			return replies, err
		}
		replies = append(replies, r)
	}
	return replies, nil
}

// watchOnly has the link reserve from these tubes, and from no others.
func (l *link) watchOnly(ctx context.Context, tubes []string) error {
	own := false // whether the tube that every connection watches at first is one of them
	calls := make([]*call, 0, len(tubes)+1)
	for _, t := range tubes {
		own = own || t == "default"
		calls = append(calls, command(nil, "watch %s", t))
	}
	if !own {
		calls = append(calls, command(nil, "ignore default"))
	}
	_, err := l.all(ctx, calls, "WATCHING")
	return err
}

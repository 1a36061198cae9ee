package redis

import (
	"context"
	"errors"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers/redis/keys"
	"taskbench/brokers/redis/link"
)

const (
	mostWatched = 16 // lists, because each takes a connection: those of four queues
	watchFor    = 4 * time.Second
)

// watch has the server tell when a list is not empty: moving its head element to its own head changes nothing, blocks
// while there is none, and never holds a message in between. Urgent lists come first. What it returns arms the watching
// of each list, once.
func (s *subscription) watch() []chan struct{} {
	arms := make([]chan struct{}, 0, mostWatched)
	for _, list := range keys.Lists(s.Queues) {
		if len(arms) == mostWatched {
			break
		}
		arm := make(chan struct{}, 1)
		arms = append(arms, arm)
		go s.watchOne(list, arm)
	}
	return arms
}

func (s *subscription) watchOne(list string, arm <-chan struct{}) {
	ctx := context.Background()
	for {
		select {
		case <-arm:
		case <-s.Over():
			return
		}
		err := error(goredis.Nil)
		for errors.Is(err, goredis.Nil) && !s.IsOver() {
			err = s.b.link.Client.BLMove(ctx, list, list, "LEFT", "LEFT", watchFor).Err()
		}
		var refused goredis.Error
		switch {
		case err == nil:
			s.Knock()
		case errors.As(err, &refused):
			// Out of memory, say: looking is all that is left.
			select {
			case <-time.After(watchedCalm):
				s.Knock()
			case <-s.Over():
			}
		case !s.IsOver():
			s.Lose(fmt.Errorf("watch list %s: %w", list, err))
			return
		}
	}
}

// subscribe returns when the server has confirmed the wake-up channels, so that from then on the end of their
// connection is seen.
func (s *subscription) subscribe(ctx context.Context) error {
	channels := make([]string, len(s.Queues))
	for i, q := range s.Queues {
		channels[i] = keys.WakeChannel(s.b.link.DB, q)
	}
	if err := s.wakes.Subscribe(ctx, channels...); err != nil {
		return err
	}
	_, err := s.wakes.ReceiveTimeout(ctx, link.Patience)
	return err
}

func (s *subscription) unsubscribe() {
	_ = s.wakes.Close() // it has failed, or nobody needs it any more
}

// listen turns the wake-ups of publishers into knocks. Without them the claimer looks by itself; but the end of this
// connection, on which nothing is asked, is how the end of the link is seen at once while no slot is free.
func (s *subscription) listen() {
	go func() {
		select {
		case <-s.Spent():
		case <-s.Lost():
		}
		s.unsubscribe() // makes Receive return
	}()
	for {
		got, err := s.wakes.Receive(context.Background())
		if err != nil {
			select {
			case <-s.Spent():
			default:
				s.Lose(fmt.Errorf("listen to redis: %w", err))
			}
			return
		}
		if _, ok := got.(*goredis.Message); ok {
			s.Knock()
		}
	}
}

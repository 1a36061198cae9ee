package stream

import (
	"context"
	"errors"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers/redis/link"
)

const (
	blockFor = 4 * time.Second // in one wait for something new
	askEvery = time.Second     // whether the link is alive, while nothing is waited for
)

// hang starts what knocks when there is something to claim: a blocking read of all the streams, and of the bells that
// ring when something is given back, on a connection of its own, whose end is the end of the link. It reads without the group, and so takes nothing: it can be
// given up at any moment, and the bound on what is held is kept by the claim alone. What hang returns has it wait for
// what comes after the ids that each stream has been read to, and then knock once.
func (s *subscription) hang() (arm func(read map[string]string)) {
	wants := make(chan map[string]string, 1)
	go s.ring(wants)
	return func(read map[string]string) {
		select {
		case <-wants: // nobody has come for it, and this one is newer
		default:
		}
		wants <- read
	}
}

func (s *subscription) ring(wants <-chan map[string]string) {
	defer func() { _ = s.bell.Close() }() // it has failed, or nobody needs it any more
	rung := make(map[string]string, len(s.Queues))
	for _, q := range s.Queues {
		rung[bellOf(q)] = "0-0"
	}
	ask := time.NewTicker(askEvery)
	defer ask.Stop()
	for {
		var err error
		select {
		case read := <-wants:
			err = s.await(wants, read, rung)
		case <-ask.C:
			err = s.bell.Ping(context.Background()).Err()
		case <-s.Spent():
			return
		case <-s.Lost():
			return
		}
		if err != nil {
			s.Lose(link.Judgef(err, "wait for redis"))
			return
		}
	}
}

// await blocks until there is something to claim, and knocks.
func (s *subscription) await(wants <-chan map[string]string, read, rung map[string]string) error {
	for !s.IsOver() {
		select {
		case read = <-wants:
		default:
		}
		var names, ids []string
		for _, from := range []map[string]string{read, rung} {
			for name, id := range from {
				names, ids = append(names, name), append(ids, id)
			}
		}
		found, err := s.bell.XRead(context.Background(), &goredis.XReadArgs{Streams: append(names, ids...), Count: 1, Block: blockFor}).Result()
		if errors.Is(err, goredis.Nil) {
			continue
		}
		if err != nil {
			return err
		}
		for _, f := range found {
			if _, bell := rung[f.Stream]; bell {
				rung[f.Stream] = f.Messages[len(f.Messages)-1].ID
			}
		}
		s.Knock()
		return nil
	}
	return nil
}

package rabbitmq

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"taskbench/brokers"
)

// servers are where the members of a cluster answer, or where the one server does. Whoever connects begins with the one that
// answered last.
type servers struct {
	urls []string
	last atomic.Int64 // which answered
}

func newServers(url string) *servers { return &servers{urls: brokers.URLs(url)} }

// passing is how long a member may take to greet before the next one is tried: one that is frozen or cut off never does.
const passing = 3 * time.Second

// dial connects to the first that answers.
func (s *servers) dial(ctx context.Context) (*amqp.Connection, error) {
	if len(s.urls) == 1 {
		return dial(ctx, s.urls[0])
	}
	var errs []error
	first := int(s.last.Load())
	for i := range s.urls {
		n := (first + i) % len(s.urls)
		try, cancel := context.WithTimeout(ctx, passing)
		c, err := dial(try, s.urls[n])
		cancel()
		if err == nil {
			s.last.Store(int64(n))
			return c, nil
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(errs...)
}

package brokers

import (
	"context"
	"time"
)

// A Delayer is a Broker that can keep messages until they are due, so that nobody else has to: neither a worker's
// memory nor its prefetch.
type Delayer interface {
	// Delay stores a message as durably as Publish does, and has it become ready in its Queue at until, or up to two
	// seconds earlier or later: whoever needs it to the moment asks for it two seconds before. A time that is past is
	// now. Errors are as with Publish. Delaying the very same message again before it is ready may, and need not, have
	// it come twice. What is delayed does not count as ready, and is not purged.
	Delay(ctx context.Context, m Message, until time.Time) error
}

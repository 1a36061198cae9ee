package lab

import (
	"context"
	"errors"
	"fmt"
	"time"

	"taskbench/brokers"
)

// DefaultPatience is how long a server may take to become ready when a Request does not say.
const DefaultPatience = time.Minute

// Errors of Await.
var (
	ErrEnded    = errors.New("the server ended before it was ready")
	ErrNotReady = errors.New("the server did not become ready")
)

// Await repeats the server's protocol exchange until it succeeds and returns the server's version. It gives up
// when patience is out, when ctx ends, and as soon as gone is closed (nil is never).
func Await(ctx context.Context, s brokers.ServerSpec, url string, patience time.Duration, gone <-chan struct{}) (string, error) {
	if s.Ready == nil {
		return "", nil
	}
	if patience == 0 {
		patience = DefaultPatience
	}
	const try = 5 * time.Second // one exchange with a server that takes the connection and says nothing
	limit := time.NewTimer(patience)
	defer limit.Stop()
	end := time.Now().Add(patience)
	for pause := 2 * time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		tryCtx, cancel := context.WithTimeout(ctx, min(try, time.Until(end)))
		version, err := s.Ready(tryCtx, url)
		cancel()
		if err == nil {
			return version, nil
		}
		select {
		case <-gone:
			return "", ErrEnded
		case <-ctx.Done():
			return "", ctx.Err()
		case <-limit.C:
			return "", fmt.Errorf("%w within %v: %w", ErrNotReady, patience, RedactError(err, url))
		case <-time.After(pause):
		}
	}
}

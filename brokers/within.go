package brokers

import "context"

// Within returns what f returns, or the context's error once that has ended; f then goes on by itself, and must bear
// that nobody waits. It is for libraries that look at a context between their steps and not during one.
func Within(ctx context.Context, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

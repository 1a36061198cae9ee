package feed

import "context"

// While returns a context that ends as soon as one of the channels is closed. The caller cancels it when it is done.
func While(ends ...<-chan struct{}) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	for _, end := range ends {
		go func() {
			select {
			case <-end:
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	return ctx, cancel
}

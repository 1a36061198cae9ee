package result

import (
	"context"
	"errors"
)

// ErrClosed is returned by a backend that was closed.
var ErrClosed = errors.New("result backend is closed")

// Await is Wait for a backend that is told of news: it looks, and looks again at every token, until the state is
// Ready or ctx ends. Errors for which temporary is true only mean that it looks again later.
func Await(ctx context.Context, look func(context.Context) (Record, error), news <-chan struct{}, closed <-chan struct{}, temporary func(error) bool) (Record, error) {
	for {
		r, err := look(ctx)
		switch {
		case err == nil && r.State.Ready():
			return r, nil
		case ctx.Err() != nil:
			return Record{}, ctx.Err()
		case err != nil && !temporary(err):
			return Record{}, err
		}
		select {
		case <-news:
		case <-closed:
			return Record{}, ErrClosed
		case <-ctx.Done():
			return Record{}, ctx.Err()
		}
	}
}

package result

import (
	"context"
	"errors"
)

// ErrClosed is returned by a backend that was closed.
var ErrClosed = errors.New("result backend is closed")

// ErrBroken is in the error for what is stored and cannot be read, now or later.
var ErrBroken = errors.New("what is stored is nothing that we can read")

// Await is Wait for a backend that is told of news: it looks, and looks again at every token, until the state is
// Ready or ctx ends. Errors only mean that it looks again later, but for ErrBroken and ErrClosed.
func Await(ctx context.Context, look func(context.Context) (Record, error), news <-chan struct{}, closed <-chan struct{}) (Record, error) {
	for {
		r, err := look(ctx)
		switch {
		case err == nil && r.State.Ready():
			return r, nil
		case ctx.Err() != nil:
			return Record{}, ctx.Err()
		case errors.Is(err, ErrBroken) || errors.Is(err, ErrClosed):
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

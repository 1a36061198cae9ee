package brokers

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// mostCrowd is how many idle clients a crowd has at most: a server that takes more has no limit within reach.
const mostCrowd = 2000

// Crowd is the limit of connections of a server that cannot be told another one while it runs: idle clients take every
// place that is left, until the server refuses one, and giving the limit back is their leaving. Dial connects to the URL
// with nothing that would connect again, and full tells whether its error is the server's word that it has no place left.
func Crowd(dial func(ctx context.Context, url string) (io.Closer, error), full func(error) bool) Limit {
	return Limit{Name: LimitConnections, Reach: func(ctx context.Context, c Console, _ string) (string, func(context.Context) error, error) {
		var crowd []io.Closer
		leave := func(context.Context) error {
			for _, client := range crowd {
				_ = client.Close() // it held a place and nothing else
			}
			crowd = nil
			return nil
		}
		for len(crowd) < mostCrowd {
			client, err := dial(ctx, c.URL)
			switch {
			case err == nil:
				crowd = append(crowd, client)
			case full(err):
				return fmt.Sprintf("%d idle clients took all places that were left", len(crowd)), leave, nil
			default:
				return "", nil, errors.Join(fmt.Errorf("connect idle client %d: %w", len(crowd)+1, err), leave(ctx))
			}
		}
		return "", nil, errors.Join(fmt.Errorf("%d idle clients got in: a limit of connections is not within reach", len(crowd)), leave(ctx))
	}}
}

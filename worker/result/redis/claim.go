package redis

import (
	"context"
	_ "embed" // of the scripts
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

//go:embed lua/claim.lua
var claimText string

//go:embed lua/release.lua
var releaseText string

var claimScript, releaseScript = goredis.NewScript(claimText), goredis.NewScript(releaseText)

// Claim implements result.Claimer.
func (b *Backend) Claim(ctx context.Context, id, holder string, life time.Duration) (wait time.Duration, err error) {
	var ms int64
	err = b.do(ctx, func() error {
		got, err := claimScript.Run(ctx, b.rdb, []string{b.keys.Claim(id)}, holder, life.Milliseconds()).Int64()
		if err == nil {
			ms = got
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("claim task %s in redis: %w", id, err)
	}
	return time.Duration(ms) * time.Millisecond, nil
}

// Release implements result.Claimer.
func (b *Backend) Release(ctx context.Context, id, holder string) error {
	err := b.do(ctx, func() error { return releaseScript.Run(ctx, b.rdb, []string{b.keys.Claim(id)}, holder).Err() })
	if err != nil {
		return fmt.Errorf("release task %s in redis: %w", id, err)
	}
	return nil
}

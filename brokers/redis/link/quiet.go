package link

import (
	"context"

	goredis "github.com/redis/go-redis/v9"
)

// go-redis prints to stderr what it also returns as an error. Once is enough.
func init() { goredis.SetLogger(mute{}) }

type mute struct{}

func (mute) Printf(context.Context, string, ...any) {}

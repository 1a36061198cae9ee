package redis

import (
	"context"
	"testing"

	broker "taskbench/brokers/redis"
	"taskbench/brokers/servertest"
	"taskbench/worker/result"
	"taskbench/worker/result/resulttest"
)

func TestContract(t *testing.T) {
	servertest.Needed(t)
	s := servertest.Launch(t, broker.Driver)
	resulttest.Run(t, resulttest.Subject{
		Open: func(ctx context.Context, o result.Options) (result.Backend, error) {
			o.Prefix = "contract"
			return Open(ctx, s.URL, o)
		},
		Kill: s.Kill, Up: s.Up,
	})
}

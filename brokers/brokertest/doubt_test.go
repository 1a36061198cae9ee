package brokertest_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/brokertest"
)

// A server that was killed is started again, also where a publish to it took all of the clause's time.
func TestAKilledServerIsStartedAgainAfterTheClausesTime(t *testing.T) {
	for _, c := range brokertest.Clauses() {
		if c.Name != "publish-to-dead-keeps-deadline" {
			continue
		}
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, bug{publish: func(ctx context.Context, m brokers.Message, next publishFunc) error {
				err := next(ctx, m)
				if err != nil {
					<-time.After(c.Limit + time.Second)
				}
				return err
			}})
			s, started := r.subject(), false
			kill := s.Kill
			s.Kill = func(ctx context.Context) (func(context.Context) error, error) {
				start, err := kill(ctx)
				return func(ctx context.Context) error {
					if ctx.Err() != nil {
						return ctx.Err()
					}
					started = true
					return start(ctx)
				}, err
			}
			if got := brokertest.Apply(t.Context(), s, c); got.Err == nil || !started {
				t.Errorf("started again: %v; %v", started, got.Err)
			}
			r.close()
			synctest.Wait()
		})
		return
	}
	t.Error("there is no such clause any more")
}

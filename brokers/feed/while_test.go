package feed

import (
	"context"
	"testing"
	"testing/synctest"
)

func TestWhileEndsWithAnyOfThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, other := make(chan struct{}), make(chan struct{})
		first, stop := While(one, other)
		second, cancel := While(one, other)
		defer cancel()
		synctest.Wait()
		if first.Err() != nil || second.Err() != nil {
			t.Fatal("it ended while neither channel was closed")
		}
		stop()
		close(other)
		synctest.Wait() // and nothing is left running: the bubble would say so
		for _, ctx := range []context.Context{first, second} {
			if ctx.Err() == nil {
				t.Error("it has not ended")
			}
		}
	})
}

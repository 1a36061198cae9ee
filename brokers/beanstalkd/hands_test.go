package beanstalkd

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A server may take no more connections, or hang up on one: with those that it has, a consumer can go on.
func TestAnotherConnectionThatFails(t *testing.T) {
	t.Parallel()
	var watched, reserved, hungUp atomic.Int64
	b := newFake(t, func(command string) string {
		switch name, _, _ := strings.Cut(command, " "); name {
		case "watch":
			if watched.Add(1) > 1 {
				hungUp.Add(1)
				return ""
			}
		case "reserve-with-timeout":
			if reserved.Add(1) == 1 {
				return "RESERVED 1 4\r\ntext"
			}
			return "TIMED_OUT"
		case "stats-job":
			stats := "---\ntube: q\npri: 0\nttr: 10\nreserves: 1\n"
			return fmt.Sprintf("OK %d\r\n%s", len(stats), stats)
		}
		return "default"
	}).open(t)
	c, err := b.Consume(t.Context(), []string{"q"}, 2)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	select {
	case d := <-c.Deliveries():
		if d == nil {
			t.Fatalf("the consumer has ended: %v", c.Err())
		}
	case <-ctx.Done():
		t.Fatal("nothing came")
	}
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for before := int64(0); ; {
		select {
		case _, open := <-c.Deliveries():
			t.Fatalf("a message came, or the consumer ended (%v): %v", open, c.Err())
		case <-again.C:
		case <-ctx.Done():
			t.Fatalf("after %d further connections that failed it has asked %d times on its own", hungUp.Load(), reserved.Load())
		}
		if hungUp.Load() > 0 && before == 0 {
			before = reserved.Load()
		}
		if before > 0 && reserved.Load() > before+3 {
			return
		}
	}
}

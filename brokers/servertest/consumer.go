package servertest

import (
	"testing"
	"time"

	"taskbench/brokers"
)

// Next returns what a consumer delivers next. The test fails where nothing comes within that time, or the consumer ends.
func Next(t testing.TB, c brokers.Consumer, within time.Duration) brokers.Delivery {
	t.Helper()
	select {
	case d, open := <-c.Deliveries():
		if !open {
			t.Fatalf("the consumer has ended: %v", c.Err())
		}
		return d
	case <-time.After(within):
		t.Fatalf("nothing came within %v", within)
	}
	return nil
}

// Quiet makes sure that a consumer delivers nothing for so long, and does not end. The test fails otherwise.
func Quiet(t testing.TB, c brokers.Consumer, within time.Duration) {
	t.Helper()
	select {
	case d, open := <-c.Deliveries():
		if open {
			t.Fatalf("message %s came", d.Message().CorrelationID)
		}
		t.Fatalf("the consumer has ended: %v", c.Err())
	case <-time.After(within):
	}
}

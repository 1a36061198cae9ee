package redis

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	broker "taskbench/brokers/redis"
	"taskbench/brokers/servertest"
	"taskbench/worker/result"
)

// Who gave up while the server was away leaves no subscription behind when it is back.
func TestGivenUpWaitsAreForgotten(t *testing.T) {
	servertest.Needed(t)
	s := servertest.Launch(t, broker.Driver)
	b, err := Open(t.Context(), s.URL, result.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	s.Kill()
	away, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := b.Wait(away, "early"); err == nil {
		t.Fatal("a result came from a server that is away")
	}
	if err := s.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	waiting, leave := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = b.Wait(waiting, "late") // ends with its context
	}()
	defer func() { leave(); <-done }()
	early, late := b.keys.Task("early"), b.keys.Task("late")
	err = servertest.Until(t.Context(), 20*time.Second, func() error {
		channels, err := b.rdb.PubSubChannels(t.Context(), "*").Result()
		if err == nil && (!slices.Contains(channels, late) || slices.Contains(channels, early)) {
			err = fmt.Errorf("subscribed to %q, want %q alone", channels, late)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

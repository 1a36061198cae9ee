package main

import (
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/harness/tasks"
	"taskbench/worker/message"
)

// However a worker is told to stop, it does so in its time, and what it has not done is there for others.
func TestWorkerIsStopped(t *testing.T) {
	for name, test := range map[string]struct {
		signals []os.Signal
		code    int
	}{
		"SIGQUIT":                 {[]os.Signal{syscall.SIGQUIT}, exitOK},
		"SIGTERM, and its grace":  {[]os.Signal{syscall.SIGTERM}, exitOK},
		"SIGTERM, then SIGQUIT":   {[]os.Signal{syscall.SIGTERM, syscall.SIGQUIT}, exitOK},
		"SIGTERM, and once again": {[]os.Signal{syscall.SIGTERM, syscall.SIGTERM}, exitInterrupted},
	} {
		for _, pool := range []string{"prefork", "goroutine"} {
			t.Run(name+"/"+pool, func(t *testing.T) {
				t.Parallel()
				url, b := embedded(t)
				grace := "60s"
				if len(test.signals) == 1 {
					grace = "1s"
				}
				p := start(t, t.TempDir(), "worker", "--broker", "memory", "--url", url, "-P", pool, "-c", "2", "--prefetch", "4", "--grace", grace)
				for i := range 6 {
					m, err := message.New(tasks.Prefix+"io", fmt.Sprint(i), nil, map[string]any{"us": 120_000_000}, message.Options{})
					if err == nil {
						err = b.Publish(t.Context(), m)
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				held := func() (ready, unacked int) {
					ready, unacked, err := b.(brokers.Inspector).Depth(t.Context(), brokers.DefaultQueue)
					if err != nil {
						t.Fatal(err)
					}
					return ready, unacked
				}
				until(t, "the worker has its hands full", patience, func() bool { _, n := held(); return n == 4 })
				began := time.Now()
				for i, sig := range test.signals {
					hit(t, p, sig)
					if i+1 < len(test.signals) {
						p.says(t, "interrupted", patience)
					}
				}
				if code := p.code(t, 8*time.Second); code != test.code {
					t.Errorf("exit code %d, want %d\n%s", code, test.code, p.talk())
				}
				took := time.Since(began)
				until(t, "all 6 tasks are ready", patience, func() bool { ready, unacked := held(); return ready == 6 && unacked == 0 })
				t.Logf("it took %v", took.Round(time.Millisecond))
			})
		}
	}
}

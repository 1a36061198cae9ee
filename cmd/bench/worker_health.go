package main

import (
	"context"
	"errors"
	"net"
	"strconv"

	"taskbench/worker"
	"taskbench/worker/health"
	"taskbench/worker/logging"
)

// listen takes the address for health checks, if there is one: what is wrong with it is told with all other mistakes.
func (s *workerSetup) listen() (err error) {
	if s.health != "" {
		s.listening, err = health.Listen(s.health)
	}
	return err
}

// unlisten gives the address back.
func (s *workerSetup) unlisten() {
	if s.listening != nil {
		_ = s.listening.Close() // the process ends
	}
}

// answer has health checks answered until its end is called: while the worker stops, too.
func (s *workerSetup) answer(ctx context.Context, w *worker.Worker, o worker.Options) (end func()) {
	if s.listening == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	log := logging.For(o.Log, "health")
	log.Info("health checks are answered", "address", s.listening.Addr())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.listening.Serve(ctx, w.Health(), o.Metrics); err != nil {
			log.Error("no health checks any more", "err", err)
		}
	}()
	return func() { cancel(); <-done }
}

// parseAddress takes what can be listened at.
func parseAddress(s string) (string, error) {
	_, port, err := net.SplitHostPort(s)
	if n, bad := strconv.Atoi(port); err != nil || bad != nil || n < 0 || n > 65535 {
		return s, errors.New("want HOST:PORT, such as 127.0.0.1:9808")
	}
	return s, nil
}

package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"taskbench/brokers"
	"taskbench/harness"
	"taskbench/worker/result"
	"taskbench/worker/result/all"
	"taskbench/worker/result/rpc"
)

// openPatience bounds the opening of a result backend.
const openPatience = 10 * time.Second

// resultOptions are those of the flags.
func (s *workerSetup) resultOptions() result.Options {
	if s.resultExpires == 0 {
		return result.Options{Expires: -1} // for ever
	}
	return result.Options{Expires: s.resultExpires}
}

// openResults opens the backend of the flags, if there is any, and tells how to close it.
func (s *workerSetup) openResults(ctx context.Context, d brokers.Driver, v brokers.Variant) (result.Backend, func(), error) {
	if s.results == "" {
		return nil, func() {}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, openPatience)
	defer cancel()
	o := s.resultOptions()
	closing := func() {}
	var b result.Backend
	var err error
	if strings.HasPrefix(s.results, "rpc://") { // a worker only sends
		if o.Broker, err = d.Open(ctx, s.cfg.URL, v); err == nil {
			closing = func() { _ = o.Broker.Close() } // nothing is to be told any more
			b, err = rpc.OpenSender(o)
		}
	} else {
		b, err = all.Open(ctx, s.results, o)
	}
	if err != nil {
		closing()
		return nil, nil, harness.EnvironmentError{Err: err}
	}
	return b, func() { _ = b.Close(); closing() }, nil
}

// writePID writes the process id to a file that no living process has written its own to.
func writePID(path string) error {
	if raw, err := os.ReadFile(path); err == nil {
		if pid, err := strconv.Atoi(strings.TrimSpace(string(raw))); err == nil && pid != os.Getpid() && alive(pid) {
			return fmt.Errorf("write the process id: %s names process %d, which runs: end that, or name another file", path, pid)
		}
	}
	if err := os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644); err != nil {
		return fmt.Errorf("write the process id: %w", err)
	}
	return nil
}

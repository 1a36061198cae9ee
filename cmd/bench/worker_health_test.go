package main

import (
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

func TestWorkerAnswersHealthChecks(t *testing.T) {
	url, _ := exchange(t)
	s := newSite(t)
	addr := freeAddress(t)
	p := s.start(t, "worker", "--broker", url, "-n", "w1@h", "-P", "prefork", "-c", "2", "--health", addr, "--log-level", "error,worker=info")
	answer := func(path string) (code int, text string) {
		r, err := http.Get("http://" + addr + path)
		if err != nil {
			return 0, err.Error()
		}
		defer r.Body.Close()
		body, _ := io.ReadAll(r.Body) // what is missing shows
		return r.StatusCode, string(body)
	}
	until(t, "the worker is ready", patience, func() bool { code, _ := answer("/readyz"); return code == http.StatusOK })
	if code, text := answer("/healthz"); code != http.StatusOK {
		t.Errorf("/healthz: %d %s", code, text)
	}
	var metrics string
	until(t, "both children are there", patience, func() bool {
		_, metrics = answer("/metrics")
		return strings.Contains(metrics, `taskbench_worker_slots{hostname="w1@h"} 2`)
	})
	wants(t, metrics, `celery_worker_up{hostname="w1@h"} 1`, `celery_queue_length{queue_name="celery"} 0`)

	// The address is taken now: that is told at once, with all else that is wrong.
	code, _, stderr := command(t, nil, "worker", "--broker", url, "--health", addr, "--pool", "swimming")
	if code != exitUsage {
		t.Errorf("with a taken port it leaves with %d", code)
	}
	wants(t, stderr, "2 mistakes, nothing was started", addr+" is taken by another process", "--pool swimming")
	code, _, stderr = command(t, nil, "worker", "--broker", url, "--health", "9808")
	if code != exitUsage {
		t.Errorf("without a port it leaves with %d", code)
	}
	wants(t, stderr, "--health 9808", "want HOST:PORT")

	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := p.code(t, patience); code != exitOK {
		t.Errorf("it left with %d: %s", code, p.talk())
	}
	wants(t, p.talk(), "msg=consuming module=worker")
}

// freeAddress is one that nobody listens at.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

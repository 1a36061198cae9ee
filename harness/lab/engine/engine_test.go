package engine

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// fake is an engine whose registry answers as told.
func fake(t *testing.T, pull http.HandlerFunc) *client.Client {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/_ping", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Api-Version", "1.41") })
	mux.HandleFunc("/v1.41/images/create", pull)
	mux.HandleFunc("/v1.41/distribution/", pull)
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	t.Setenv(client.EnvOverrideHost, "tcp://"+strings.TrimPrefix(s.URL, "http://"))
	c, err := Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func refuse(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": text})
}

func TestDeadRegistryIsAskedOnce(t *testing.T) {
	var asked atomic.Int64
	c := fake(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		refuse(w, http.StatusInternalServerError, "dial tcp: lookup registry: no such host")
	})
	var r Registries
	for range 3 {
		if err := r.Pull(t.Context(), c, "debian:bookworm-slim"); !errors.Is(err, ErrNoRegistry) || !strings.Contains(err.Error(), "no such host") {
			t.Errorf("pulled: %v", err)
		}
		if err := r.Has(t.Context(), c, "redis:7"); !errors.Is(err, ErrNoRegistry) {
			t.Errorf("has: %v", err)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the registry was asked %d times", n)
	}
	if err := r.Pull(t.Context(), c, "quay.example/redis:7"); !errors.Is(err, ErrNoRegistry) || asked.Load() != 2 {
		t.Errorf("another registry was not asked: %v", err)
	}
}

func TestMissingImageIsNoDeadRegistry(t *testing.T) {
	c := fake(t, func(w http.ResponseWriter, _ *http.Request) { refuse(w, http.StatusNotFound, "manifest unknown") })
	var r Registries
	for range 2 {
		if err := r.Pull(t.Context(), c, "redis:none"); errors.Is(err, ErrNoRegistry) || !errdefs.IsNotFound(err) {
			t.Errorf("pulled: %v", err)
		}
	}
}

func TestPullEndsWithTheDownload(t *testing.T) {
	c := fake(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"status":"Pulling"}` + "\n" + `{"status":"Done"}` + "\n"))
	})
	var r Registries
	if err := r.Pull(t.Context(), c, "redis:7"); err != nil {
		t.Error(err)
	}
	broken := fake(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"status":"Pulling"}` + "\n" + `{"errorDetail":{"message":"disk full"},"error":"disk full"}` + "\n"))
	})
	if err := r.Pull(t.Context(), broken, "redis:7"); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("pulled: %v", err)
	}
}

// A caller that gives up has learnt nothing about the registry.
func TestInterruptedPullIsNotRemembered(t *testing.T) {
	held := make(chan struct{})
	c := fake(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-held:
		case <-r.Context().Done():
		}
	})
	defer close(held)
	var r Registries
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := r.Pull(ctx, c, "redis:7"); err == nil || errors.Is(err, ErrNoRegistry) {
		t.Errorf("pulled: %v", err)
	}
	if err := r.reason("docker.io"); err != nil {
		t.Errorf("remembered: %v", err)
	}
}

func TestRegistryOfAnImage(t *testing.T) {
	for image, want := range map[string]string{
		"redis:7": "docker.io", "taskbench/redis:1": "docker.io", "quay.io/x/y": "quay.io", "localhost:5000/x": "localhost:5000", "localhost/x": "localhost",
	} {
		if got := registry(image); got != want {
			t.Errorf("%s: %s, want %s", image, got, want)
		}
	}
}

func TestSilentEngineIsGivenUp(t *testing.T) {
	held := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-held:
		case <-r.Context().Done():
		}
	}))
	defer s.Close()
	defer close(held)
	t.Setenv(client.EnvOverrideHost, "tcp://"+strings.TrimPrefix(s.URL, "http://"))
	began := time.Now()
	if _, err := Connect(t.Context()); !errors.Is(err, ErrAbsent) || time.Since(began) > Patience+time.Second {
		t.Errorf("connected: %v after %v", err, time.Since(began))
	}
}

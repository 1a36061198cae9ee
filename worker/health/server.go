package health

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// A Server answers /metrics, /healthz and /readyz. The last two say "ok", or why not with status 503.
type Server struct {
	listener net.Listener
	http     http.Server
}

// Listen takes the address, "host:port", so that a mistake shows before any work is taken; Serve or Close must follow,
// and until then whoever asks waits. Without a host it is 127.0.0.1: who is to be asked from outside says 0.0.0.0.
// Port 0 takes a free one.
func Listen(addr string) (*Server, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("listen for health checks: %q is not HOST:PORT", addr)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	addr = net.JoinHostPort(host, port)
	l, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listen for health checks: %s is taken by another process; another worker on this host needs a port of its own: %w", addr, err)
	}
	if err != nil {
		return nil, fmt.Errorf("listen for health checks: %w", err)
	}
	return &Server{listener: l, http: http.Server{
		ReadHeaderTimeout: 5 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
	}}, nil
}

// Addr is where the server listens.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Close gives the address back where Serve was not called. A second call does nothing.
func (s *Server) Close() error {
	if err := s.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("listen for health checks no more: %w", err)
	}
	return nil
}

// Serve answers until ctx ends, lets answers under way end, and returns nil. It is called once. m may be nil.
func (s *Server) Serve(ctx context.Context, of Source, m *Metrics) error {
	s.http.Handler = Handler(of, m)
	down := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(down)
		patience, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if s.http.Shutdown(patience) != nil {
			_ = s.http.Close()
		}
	})
	err := s.http.Serve(s.listener)
	if !stop() { // Serve returns before those answers have ended
		<-down
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("answer health checks: %w", err)
	}
	return nil
}

// Handler is what a Server serves, for programs with a server of their own.
func Handler(s Source, m *Metrics) http.Handler {
	if s.Patience == 0 {
		s.Patience = DefaultPatience
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(newCollector(s), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if m != nil {
		m.register(registry)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", answer(func() error { return s.Status().Hung(time.Now(), s.Patience) }))
	mux.HandleFunc("GET /readyz", answer(func() error { return s.Status().Ready() }))
	return mux
}

func answer(ask func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		if err := ask(); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, err.Error()+"\n")
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	}
}

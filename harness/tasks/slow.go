package tasks

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"
)

// A SlowServer answers HTTP calls after the time that each asks for. The io task calls it.
type SlowServer struct {
	http *http.Server
	url  string
	gone chan struct{}
}

// maxWait and maxWaiting bound what one call, and all calls together, can ask of the server.
const (
	maxWait    = 10 * time.Minute
	maxWaiting = 16 << 10
)

// StartSlowServer starts a server on a free port of the loopback interface.
func StartSlowServer() (*SlowServer, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the slow server: %w", err)
	}
	s := &SlowServer{url: "http://" + l.Addr().String() + "/", gone: make(chan struct{})}
	s.http = &http.Server{
		Handler:           slow(make(chan struct{}, maxWaiting)),
		ReadHeaderTimeout: 10 * time.Second,
		MaxHeaderBytes:    8 << 10,
	}
	go func() {
		defer close(s.gone)
		_ = s.http.Serve(l) // it returns when the server is closed; there is nobody to tell of anything else
	}()
	return s, nil
}

// URL is what callers add "?us=<microseconds>" to.
func (s *SlowServer) URL() string { return s.url }

// Close ends the server and every call under way. A second call does nothing.
func (s *SlowServer) Close() error {
	err := s.http.Close()
	<-s.gone
	return err
}

// slow answers 204 after the wait, 400 to nonsense and 503 when too many wait already.
func slow(waiting chan struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		us, err := strconv.ParseInt(r.URL.Query().Get("us"), 10, 64)
		if err != nil || us < 0 || us > maxWait.Microseconds() {
			http.Error(w, "us: want microseconds, at most ten minutes", http.StatusBadRequest)
			return
		}
		select {
		case waiting <- struct{}{}:
			defer func() { <-waiting }()
		default:
			http.Error(w, "too many calls wait", http.StatusServiceUnavailable)
			return
		}
		timer := time.NewTimer(time.Duration(us) * time.Microsecond)
		defer timer.Stop()
		select {
		case <-timer.C:
			w.WriteHeader(http.StatusNoContent)
		case <-r.Context().Done():
		}
	}
}

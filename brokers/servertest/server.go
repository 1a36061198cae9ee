// Package servertest starts the servers of brokers for tests of packages that talk to one.
package servertest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"taskbench/brokers"
)

// Serves tells whether tests are to start servers: not in the embedded lab, which has none.
func Serves() bool { return os.Getenv("BENCH_LAB") != "embedded" }

// Needed skips a test that is nothing without a server in the embedded lab, so that it is counted as not run.
func Needed(t testing.TB) {
	t.Helper()
	if !Serves() {
		t.Skip("the embedded lab has no servers")
	}
}

// A Server is a process of its own that ends with its test.
type Server struct {
	URL     string
	command func() *exec.Cmd
	ready   func(ctx context.Context) error

	mu   sync.Mutex
	cmd  *exec.Cmd
	gone chan struct{} // closed once it has ended
	log  *os.File
}

// Launch starts a broker's server from the binary on PATH, as the last of its variants, which is the one that asks least of
// the disk: it is for tests to which it does not matter what the server keeps. Where there is no binary the test fails, but
// with BENCH_LAB auto or unset, where it is skipped.
func Launch(t testing.TB, d brokers.Driver, settings ...string) *Server {
	t.Helper()
	return LaunchAs(t, d, d.Variants[len(d.Variants)-1], func(c *brokers.Command, _ string) {
		c.Args = append(slices.Clip(c.Args), settings...)
	})
}

// LaunchAs is Launch as a variant, and with another command than the driver's: change is told that one, and the server's
// directory.
func LaunchAs(t testing.TB, d brokers.Driver, v brokers.Variant, change func(c *brokers.Command, dir string)) *Server {
	t.Helper()
	for _, names := range d.Server.Binaries {
		Find(t, names)
	}
	l := brokers.Launch{Variant: v, Dir: directory(t), Host: "127.0.0.1", Port: FreePort(t)}
	c := d.Server.Command(l)
	change(&c, l.Dir)
	for name, text := range c.Files {
		file := filepath.Join(l.Dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	url := d.Server.URL(fmt.Sprintf("127.0.0.1:%d", l.Port))
	return Start(t, url, func() *exec.Cmd {
		cmd := exec.Command(c.Args[0], c.Args[1:]...)
		cmd.Dir = l.Dir
		cmd.Env = append(os.Environ(), c.Env...)
		return cmd
	}, func(ctx context.Context) error {
		_, err := d.Server.Ready(ctx, url)
		return err
	})
}

// directory makes one that ends with the test, below a directory that another user may enter: some servers refuse to be root.
func directory(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "taskbench-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // what is left is the system's to remove
	return dir
}

// Find returns the path of a program by any of its names, which are those of brokers.Binary, or ends the test as Launch does.
func Find(t testing.TB, names string) string {
	t.Helper()
	path := brokers.Binary(names)
	if path != "" {
		return path
	}
	if lab := os.Getenv("BENCH_LAB"); lab != "" && lab != "auto" {
		t.Fatalf("BENCH_LAB is %s, and there is no %s", lab, names)
	}
	t.Skipf("this machine has no %s", names)
	return ""
}

// FreePort finds a port of 127.0.0.1 that nobody uses.
func FreePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Start starts a server and waits, for the time of birth at most, until ready is nil.
func Start(t testing.TB, url string, command func() *exec.Cmd, ready func(ctx context.Context) error) *Server {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "server.log"))
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{URL: url, command: command, ready: ready, log: log}
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("the server said:\n%s", text[max(0, len(text)-4000):])
		}
		log.Close()
	})
	if err := s.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// birth bounds the start of a server: Erlang alone takes half a minute on two cores that others keep busy.
const birth = 2 * time.Minute

// Up starts the server, where it was before. One that ends before it is ready is started again: PostgreSQL refuses to start
// while processes are left of the one that was killed.
func (s *Server) Up(ctx context.Context) error {
	if err := s.start(); err != nil {
		return err
	}
	return Until(ctx, birth, func() error {
		s.mu.Lock()
		gone := s.gone
		s.mu.Unlock()
		select {
		case <-gone:
			if err := s.start(); err != nil {
				return err
			}
		default:
		}
		return s.ready(ctx)
	})
}

func (s *Server) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	cmd, gone := s.command(), make(chan struct{})
	cmd.Stdout, cmd.Stderr = s.log, s.log
	dieWithParent(cmd)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start server: %w", err)
	}
	s.cmd, s.gone = cmd, gone
	go func() {
		_ = cmd.Wait() // it was killed, or has said why in its log
		close(gone)
	}()
	return nil
}

// Kill ends the server with SIGKILL, and returns when it is gone.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd != nil {
		killAll(s.cmd)
		<-s.gone
		s.cmd = nil
	}
}

// Until waits until f is nil, and returns its last error when that takes too long.
func Until(ctx context.Context, within time.Duration, f func() error) error {
	limit := time.NewTimer(within)
	defer limit.Stop()
	for {
		err := f()
		if err == nil {
			return nil
		}
		again := time.NewTimer(10 * time.Millisecond)
		select {
		case <-again.C:
		case <-limit.C:
			return fmt.Errorf("not within %v: %w", within, err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Nobody returns an address of this machine at which nobody listens.
func Nobody(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

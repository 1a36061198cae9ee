package interop

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"taskbench/brokers"
)

// ErrNoServer is returned where a broker's server is not on PATH.
var ErrNoServer = errors.New("the server is not installed")

// A Server is a broker's server that was started here, on 127.0.0.1.
type Server struct {
	URL     string
	Version string
	process *Process
}

// Serve starts the server of a driver as a process with all its files in dir, and returns once it answers.
func Serve(ctx context.Context, d brokers.Driver, v brokers.Variant, dir string) (*Server, error) {
	for _, names := range d.Server.Binaries {
		if !onPath(strings.Split(names, "|")) {
			return nil, fmt.Errorf("start %s: %w: there is no %s on PATH", d.Name, ErrNoServer, names)
		}
	}
	port, err := freePort()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", d.Name, err)
	}
	command := d.Server.Command(brokers.Launch{Variant: v, Dir: dir, Host: "127.0.0.1", Port: port})
	for name, text := range command.Files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, fmt.Errorf("start %s: %w", d.Name, err)
		}
	}
	p, err := Start(command.Args, append(os.Environ(), command.Env...), dir, filepath.Join(dir, "server.log"))
	if err != nil {
		return nil, err
	}
	s := &Server{URL: d.Server.URL(net.JoinHostPort("127.0.0.1", strconv.Itoa(port))), process: p}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if s.Version, err = d.Server.Ready(ctx, s.URL); err == nil {
			return s, nil
		}
		select {
		case <-tick.C:
		case <-p.Done():
			return nil, fmt.Errorf("start %s: it ended; its last lines:\n%s", d.Name, p.tail())
		case <-ctx.Done():
			p.Stop(0)
			return nil, fmt.Errorf("start %s: %w; its last lines:\n%s", d.Name, err, p.tail())
		}
	}
}

// Close kills the server; what it kept is for its directory's owner to remove.
func (s *Server) Close() { s.process.Stop(0) }

func onPath(names []string) bool {
	for _, name := range names {
		if _, err := exec.LookPath(name); err == nil {
			return true
		}
	}
	return false
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer func() { _ = l.Close() }() // it has told its number
	return l.Addr().(*net.TCPAddr).Port, nil
}

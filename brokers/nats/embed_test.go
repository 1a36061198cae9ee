package nats

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	engine "github.com/nats-io/nats-server/v2/server"

	"taskbench/brokers"
)

// envServer names the configuration of the server that this process is to be, instead of whatever else it is.
const envServer = "TASKBENCH_NATS_SERVER"

// A server that is embedded in this program is a process of its own all the same, so that it can be killed: the library's
// own shutdown writes down what a SIGKILL would not. Whatever program imports this package can be that process.
func init() {
	if config := os.Getenv(envServer); config != "" {
		os.Exit(serve(config, os.Stdin, os.Stdout))
	}
}

// serve runs a server until whoever started it closes in, or dies.
func serve(config string, in io.Reader, out io.Writer) int {
	options, err := engine.ProcessConfigFile(config)
	if err == nil {
		options.NoSigs = true
		var s *engine.Server
		if s, err = engine.NewServer(options); err == nil {
			s.ConfigureLogger()
			s.Start()
			if s.ReadyForConnections(startWithin) {
				_, _ = fmt.Fprintln(out, "ready")
				_, _ = io.Copy(io.Discard, in)
				return 0
			}
			err = errors.New("it does not listen")
		}
	}
	_, _ = fmt.Fprintf(out, "nats-server: %v\n", err)
	return 1
}

const startWithin = 30 * time.Second

// A process is an embedded server.
type process struct {
	cmd    *exec.Cmd
	in     io.Closer // the server lives no longer than that
	once   sync.Once
	reaped error
}

func embed(ctx context.Context, l brokers.Launch) (brokers.Server, error) {
	p, err := startWith(ctx, l, config(l))
	if err != nil {
		return nil, fmt.Errorf("start nats-server on %s:%d: %w", l.Host, l.Port, err)
	}
	return p, nil
}

func startWith(ctx context.Context, l brokers.Launch, text string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(l.Dir, configFile)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(l.Dir, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), envServer+"="+file)
	cmd.Stderr = log // the server's own log
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, in: in}
	said := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(out).ReadString('\n')
		said <- line
	}()
	select {
	case line := <-said:
		if line == "ready\n" {
			return p, nil
		}
		return nil, errors.Join(fmt.Errorf("it said %q and ended; its log ends with: %s", line, tail(log.Name())), p.Close())
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), p.Close())
	}
}

// tail is the last of a file.
func tail(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-1000):])
}

// PID is the server's process.
func (p *process) PID() int { return p.cmd.Process.Pid }

// Close is SIGKILL, and returns when the process is gone. A second call does nothing.
func (p *process) Close() error {
	p.once.Do(func() {
		if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			p.reaped = fmt.Errorf("kill nats-server: %w", err)
			return
		}
		_ = p.cmd.Wait() // says that it was killed
		_ = p.in.Close()
	})
	return p.reaped
}

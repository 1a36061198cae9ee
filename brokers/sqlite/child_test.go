package sqlite

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"

	"taskbench/brokers"
	"taskbench/brokers/brokertest"
)

// The test binary is its own child process when this names what it is to do.
const childRole = "SQLITE_TEST_CHILD"

func TestMain(m *testing.M) {
	role := os.Getenv(childRole)
	if role == "" {
		os.Exit(m.Run())
	}
	if err := child(role, os.Args[1], os.Args[2], os.Args[3]); err != nil {
		os.Exit(1)
	}
}

// child holds a message and waits to be killed, or publishes n messages and tells of each.
func child(role, url, queue, arg string) error {
	ctx := context.Background()
	if role == "hold" {
		return brokertest.Hold(ctx, os.Stdout, Driver, Driver.Variants[0], url, queue)
	}
	n, err := strconv.Atoi(arg)
	if err != nil {
		return err
	}
	b, err := Driver.Open(ctx, url, Driver.Variants[0])
	if err != nil {
		return err
	}
	if err := publishMany(ctx, b, queue, n, func(id string) { fmt.Println(id) }); err != nil {
		return err
	}
	return b.Close()
}

// publishMany publishes n messages from 16 goroutines, and tells of each that was accepted.
func publishMany(ctx context.Context, b brokers.Broker, queue string, n int, tell func(id string)) error {
	const publishers = 16
	errs := make(chan error, publishers)
	ids := make(chan string)
	var wg sync.WaitGroup
	for range publishers {
		wg.Go(func() {
			for id := range ids {
				m := brokers.Message{
					Queue: queue, CorrelationID: id, ContentType: "application/json", ContentEncoding: "utf-8",
					Headers: map[string]any{"lang": "py", "task": "noop", "id": id, "retries": 0, "eta": nil},
					Body:    []byte(`[[], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]`),
				}
				if err := b.Publish(ctx, m); err != nil {
					select {
					case errs <- err:
					default:
					}
					continue
				}
				tell(id)
			}
		})
	}
	for i := range n {
		ids <- strconv.Itoa(i)
	}
	close(ids)
	wg.Wait()
	close(errs)
	return <-errs
}

// A process is a running child.
type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func start(ctx context.Context, role, url, queue, arg string) (*process, error) {
	cmd := exec.CommandContext(ctx, os.Args[0], url, queue, arg)
	cmd.Env = append(os.Environ(), childRole+"="+role)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &process{cmd, in, bufio.NewScanner(out)}, cmd.Start()
}

// kill is SIGKILL, and returns when the process is gone.
func (p *process) kill() error {
	if err := p.cmd.Process.Kill(); err != nil {
		return err
	}
	_ = p.cmd.Wait() // says that it was killed
	return nil
}

// holder is the command of a child that holds a message of the queue.
func holder(url, queue string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], url, queue, "")
	cmd.Env = append(os.Environ(), childRole+"=hold")
	cmd.Stderr = os.Stderr
	return cmd
}

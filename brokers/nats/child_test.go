package nats

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"taskbench/brokers"
)

// The test binary is its own child process when this names a URL.
const childOf = "NATS_TEST_CHILD"

// With this it starts a server, instead, and waits to be killed.
const childServes = "NATS_TEST_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(childServes) != "" {
		os.Exit(serveAndWait(os.Args[1], os.Args[2]))
	}
	if url := os.Getenv(childOf); url != "" {
		if err := takeOne(url, os.Args[1], os.Args[2]); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// takeOne takes one message, says so, and waits to be killed.
func takeOne(url, name, queue string) error {
	ctx := context.Background()
	v, err := Driver.Variant(name)
	if err != nil {
		return err
	}
	b, err := Driver.Open(ctx, url, v)
	if err != nil {
		return err
	}
	c, err := b.Consume(ctx, []string{queue}, 1)
	if err != nil {
		return err
	}
	d, open := <-c.Deliveries()
	if !open {
		return c.Err()
	}
	fmt.Println(d.Message().CorrelationID)
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// holder starts a child that holds one message of the queue.
func holder(ctx context.Context, url string, v brokers.Variant, queue string) (*exec.Cmd, error) {
	cmd := exec.CommandContext(ctx, os.Args[0], v.Name, queue)
	cmd.Env = append(os.Environ(), childOf+"="+url)
	cmd.Stderr = os.Stderr
	if _, err := cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if s := bufio.NewScanner(out); !s.Scan() {
		return cmd, fmt.Errorf("the child took no message: %w", s.Err())
	}
	return cmd, nil
}

// vanish lets a child take one message and kills it.
func vanish(ctx context.Context, url string, v brokers.Variant, queue string) error {
	cmd, err := holder(ctx, url, v, queue)
	if cmd != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // says that it was killed
	}
	return err
}

func serveAndWait(dir, port string) int {
	n, err := strconv.Atoi(port)
	if err == nil {
		_, err = embed(context.Background(), brokers.Launch{Variant: Driver.Variants[0], Dir: dir, Host: "127.0.0.1", Port: n})
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("up")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

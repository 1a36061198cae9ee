package nats

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"taskbench/brokers"
	"taskbench/brokers/brokertest"
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
	v, err := Driver.Variant(name)
	if err != nil {
		return err
	}
	return brokertest.Hold(context.Background(), os.Stdout, Driver, v, url, queue)
}

// taker is the command of a child that holds one message of the queue.
func taker(url string, v brokers.Variant, queue string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], v.Name, queue)
	cmd.Env = append(os.Environ(), childOf+"="+url)
	cmd.Stderr = os.Stderr
	return cmd
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

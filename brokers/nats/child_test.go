package nats

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"taskbench/brokers"
	"taskbench/brokers/brokertest"
)

// The test binary is its own child process when this names a URL.
const childOf = "NATS_TEST_CHILD"

func TestMain(m *testing.M) {
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

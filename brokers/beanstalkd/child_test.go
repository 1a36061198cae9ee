package beanstalkd_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"taskbench/brokers/beanstalkd"
)

// The test binary is its own child process when this says where it is to hold a message.
const childURL = "BEANSTALKD_TEST_CHILD"

func TestMain(m *testing.M) {
	url := os.Getenv(childURL)
	if url == "" {
		os.Exit(m.Run())
	}
	if err := hold(url, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// hold takes a message, and waits to be killed.
func hold(url, queue string) error {
	ctx := context.Background()
	b, err := beanstalkd.Driver.Open(ctx, url, beanstalkd.Driver.Variants[0])
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

// startChild returns once another process holds a message of the queue. It ends when stdin does.
func startChild(ctx context.Context, url, queue string) (*exec.Cmd, error) {
	cmd := exec.CommandContext(ctx, os.Args[0], queue)
	cmd.Env = append(os.Environ(), childURL+"="+url)
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
	if held := bufio.NewScanner(out); !held.Scan() {
		return nil, errors.Join(errors.New("the child took no message"), held.Err(), cmd.Process.Kill())
	}
	return cmd, nil
}

// vanish lets another process take one message, and kills it.
func vanish(ctx context.Context, url, queue string) error {
	cmd, err := startChild(ctx, url, queue)
	if err != nil {
		return err
	}
	if err := cmd.Process.Kill(); err != nil {
		return err
	}
	_ = cmd.Wait() // says that it was killed
	return nil
}

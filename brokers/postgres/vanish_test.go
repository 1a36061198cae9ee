package postgres

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"taskbench/brokers/brokertest"
)

// The test binary is its own child process when this is set.
const childRole = "POSTGRES_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childRole) == "" {
		os.Exit(m.Run())
	}
	if err := hold(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// hold takes one message and waits to be killed.
func hold(url, queue string) error {
	ctx := context.Background()
	b, err := Driver.Open(ctx, url, Driver.Variants[0])
	if err != nil {
		return err
	}
	c, err := b.Consume(ctx, []string{queue}, 1)
	if err != nil {
		return err
	}
	fmt.Println((<-c.Deliveries()).Message().CorrelationID)
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// The clause that needs a process to be killed is not applied by the labs.
func TestKilledConsumer(t *testing.T) {
	at, _ := launch(t)
	s := brokertest.Subject{Driver: Driver, Variant: Driver.Variants[0], URL: at, Vanish: func(ctx context.Context, queue string) error {
		cmd := exec.CommandContext(ctx, os.Args[0], at, queue)
		cmd.Env = append(os.Environ(), childRole+"=hold")
		cmd.Stderr = os.Stderr
		if _, err := cmd.StdinPipe(); err != nil {
			return err
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			return err
		}
		if err := cmd.Start(); err != nil {
			return err
		}
		held := bufio.NewScanner(out).Scan()
		if err := cmd.Process.Kill(); err != nil {
			return err
		}
		if _ = cmd.Wait(); !held { // it says that the child was killed
			return fmt.Errorf("the child took no message")
		}
		return nil
	}}
	applied := false
	for _, c := range brokertest.Clauses() {
		if c.Name != "unacked-returns-on-timeout" {
			continue
		}
		r := brokertest.Apply(t.Context(), s, c)
		if applied = true; r.Unfit != "" || r.Err != nil {
			t.Errorf("%s: %s %v", c.Name, r.Unfit, r.Err)
		}
	}
	if !applied {
		t.Error("there is no such clause")
	}
}

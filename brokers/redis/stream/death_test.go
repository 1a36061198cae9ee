package stream_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/redis/stream"
)

// The test binary is its own child process when this is set.
const childRole = "STREAM_TEST_CHILD"

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
	b, err := stream.Open(ctx, url, brokers.Variant{})
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

// child returns when a process of its own holds a message of the queue, and how to kill it.
func (r *rig) child(ctx context.Context, queue string) (kill func() error, err error) {
	cmd := exec.CommandContext(ctx, os.Args[0], r.url, queue)
	cmd.Env = append(os.Environ(), childRole+"=hold")
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
	kill = func() error {
		err := cmd.Process.Kill()
		_ = cmd.Wait() // it says that the child was killed
		return err
	}
	if !bufio.NewScanner(out).Scan() {
		return nil, errors.Join(errors.New("the child took no message"), kill())
	}
	return kill, nil
}

// What a worker holds is its own while it lives, however long that is; once it is killed, until its lease ends; and then
// somebody else's, and its name is gone from the group.
func TestKilledConsumer(t *testing.T) {
	r := launch(t)
	r.publish("q", 1)
	kill, err := r.child(t.Context(), "q")
	if err != nil {
		t.Fatal(err)
	}
	dead := r.members("taskbench:stream:q:0")

	c := r.consume(r.broker, 1, "q")
	select {
	case d := <-c.Deliveries():
		t.Fatalf("%s came while its holder was alive", d.Message().CorrelationID)
	case <-time.After(2 * lease):
	}
	if err := kill(); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	d := r.next(c, 2*lease+2*time.Second)
	// The lease was renewed at the latest a third of its length before.
	if since := time.Since(killed); since < lease/2 || !d.Redelivered() {
		t.Errorf("came back %v after its holder's death, redelivered: %v", since, d.Redelivered())
	}
	r.ack(d)
	for _, name := range r.members("taskbench:stream:q:0") {
		if slices.Contains(dead, name) {
			t.Errorf("%s is dead and a member of the group", name)
		}
	}
}

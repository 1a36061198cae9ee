package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"taskbench/harness/lab/proxy"
)

var _ = register(Fault{
	Name: "slow-close",
	Node: "broker",
	Doc: "Keeps the end of a connection from the other side for `delay`, be it orderly or not, until `for` has passed: who has died " +
		"seems to live on, and what it held stays taken.",
	Params: map[string]Param{
		"delay": {Doc: "how long an end stays unknown", Default: 2 * time.Second, Positive: true},
		"side":  side,
	},
	Unfit: Setting.link,
	Inject: func(ctx context.Context, t Target, a Args) (Effect, error) {
		met, delay := sides(a), param[time.Duration](a, "delay")
		patience := min(delay, unanswered)
		before, err := awaitEnd(ctx, t, met, patience)
		if err != nil {
			return Effect{}, fmt.Errorf("measure how fast the end of a connection is known: %w", err)
		}
		if err := t.Proxy.Linger(delay, met...); err != nil {
			return Effect{}, fmt.Errorf("hide the ends of connections: %w", err)
		}
		heal := func(ctx context.Context) (string, error) {
			if err := t.Proxy.Heal(); err != nil {
				return "", fmt.Errorf("show the ends of connections: %w", err)
			}
			took, err := awaitEnd(ctx, t, met, patience)
			if err != nil {
				return "", fmt.Errorf("measure how fast the end of a connection is known again: %w", err)
			}
			return fmt.Sprintf("an end is known after %.1f ms again", ms(took)), nil
		}
		for _, addr := range addrs(t, met) {
			switch took, err := ending(ctx, addr, patience); {
			case err == nil:
				return Effect{}, withdraw(ctx, heal, fmt.Errorf("hide the ends of connections: one was known after %v, and is to be after %v", took, delay))
			case !errors.Is(err, os.ErrDeadlineExceeded):
				return Effect{}, withdraw(ctx, heal, fmt.Errorf("hide the ends of connections: try one: %w", err))
			}
		}
		return settled(ctx, t, met, fmt.Sprintf("an end was known after %.1f ms, and now is not within %v", ms(before), patience), heal)
	},
})

// addrs are where those that a fault meets connect.
func addrs(t Target, met []proxy.Side) []string {
	if len(met) == 0 {
		met = proxy.Sides
	}
	list := make([]string, len(met))
	for i, s := range met {
		list[i] = t.Proxy.AddrOf(s)
	}
	return list
}

// awaitEnd repeats the ending of a connection until it is known to the other side within the patience, on each way.
func awaitEnd(ctx context.Context, t Target, met []proxy.Side, patience time.Duration) (took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for _, addr := range addrs(t, met) {
		for {
			if took, err = ending(ctx, addr, patience); err == nil {
				break
			}
			waitFor(ctx, 5*time.Millisecond) // a server that is down refuses at once
			if ctx.Err() != nil {
				return 0, err
			}
		}
	}
	return took, nil
}

// ending ends a new connection on the client's side, and is how long it takes until the server has ended its own. The
// error is os.ErrDeadlineExceeded where it does not within the patience.
func ending(ctx context.Context, addr string, patience time.Duration) (time.Duration, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return 0, err
	}
	defer func() { _ = c.Close() }()
	began := time.Now()
	if err := c.SetReadDeadline(began.Add(patience)); err != nil {
		return 0, err
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, c) // a server may have begun to speak
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return 0, err
	}
	return time.Since(began), nil // a reset is an end too
}

package faults

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"taskbench/brokers"
	"taskbench/harness/lab"
)

// policyParam is the name of the parameter that says what the server is to do beyond a limit.
const policyParam = "policy"

// limit says why a limit of the server's own cannot be reached in the setting, or "".
func (s Setting) limit(name string) string {
	policy := s.Params[policyParam]
	switch l, ok := s.Server.Limit(name); {
	case s.Library:
		return "the broker is a library inside each process: there is no server that has limits"
	case s.Lab == "external":
		return "the server is somebody else's: its limits are not changed from here"
	case s.several() != "":
		return s.several()
	case !ok:
		return fmt.Sprintf("the server has no limit of %s that it could be told while it runs", name)
	case s.within():
		return "an embedded server has no limits of its own: use lab docker or process"
	case l.Inside && s.Lab != "docker":
		return "the server is told its limit by a command inside its container: use lab docker"
	case policy != "" && len(l.Policies) == 0:
		return fmt.Sprintf("%s does beyond its limit of %s what it does, and knows no policy: leave policy out", s.Server.Product, name)
	}
	return ""
}

// reach has the server reach one of its limits.
func reach(ctx context.Context, t Target, name, to string) (said string, restore func(context.Context) error, err error) {
	l, ok := t.Driver.Server.Limit(name)
	if !ok {
		return "", nil, fmt.Errorf("%s has no limit of %s that it could be told while it runs", t.Driver.Name, name)
	}
	c := brokers.Console{URL: t.Broker.Info().URL}
	if in, ok := t.Broker.(lab.Insider); ok {
		c.Run = in.Run
	} else if l.Inside {
		return "", nil, errors.New("no command can be run beside the server")
	}
	return l.Reach(ctx, c, to)
}

// limitQueue is where publishes go that try whether the server takes any.
const limitQueue = "taskbench.limit"

// refusing is a fault that has the server reach a limit beyond which it takes no messages. It is proved by a publisher of
// the fault's own, which is heard before, is not while the limit is reached, and is again after the healing. What is asked of
// the limit is the fault's only parameter, if it has one.
func refusing(name, doc, limit string, params map[string]Param) Fault {
	return Fault{
		Name: name, Node: "broker", Doc: doc, Params: params,
		Unfit: func(s Setting) string { return s.limit(limit) },
		Inject: func(ctx context.Context, t Target, a Args) (Effect, error) {
			before := 1
			if limit == brokers.LimitLength {
				before = param[int](a, "length") // so that the queue is full as soon as its limit is in force
			}
			if err := publishSeveral(ctx, t, before); err != nil {
				return Effect{}, fmt.Errorf("publish before the limit of %s is lowered: %w", limit, err)
			}
			said, restore, err := reach(ctx, t, limit, a.only())
			if err != nil {
				return Effect{}, err
			}
			heal := func(ctx context.Context) (string, error) {
				if err := restore(ctx); err != nil {
					return "", err
				}
				began := time.Now()
				if err := publish(ctx, t, 30*time.Second); err != nil {
					return "", fmt.Errorf("publish after the limit of %s was given back: %w", limit, err)
				}
				return fmt.Sprintf("a publish is taken again after %.3f s", time.Since(began).Seconds()), purge(ctx, t)
			}
			refusal, err := awaitRefusal(ctx, t, limit == brokers.LimitLength, 0)
			if err != nil {
				return Effect{}, withdraw(ctx, heal, fmt.Errorf("reach the limit of %s (%s): %w", limit, said, err))
			}
			return Effect{Node: t.Broker.Info().Name, Proof: fmt.Sprintf("%s; a publish is not taken: %v", said, trim(refusal)), Heal: heal}, nil
		},
	}
}

// publish sends a message past the proxy, and returns once the server has taken it.
func publish(ctx context.Context, t Target, patience time.Duration) error {
	return publishBytes(ctx, t, patience, 0)
}

// publishSeveral publishes many messages over one connection, each within ten seconds.
func publishSeveral(ctx context.Context, t Target, many int) error {
	const atOnce, patience = 16, 10 * time.Second
	opening, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	b, err := t.Driver.Open(opening, t.Broker.Info().URL, t.Variant)
	if err != nil {
		return err
	}
	defer func() { _ = b.Close() }()
	var next atomic.Int64
	var all sync.WaitGroup
	errs := make([]error, min(many, atOnce))
	for i := range errs {
		all.Go(func() {
			for errs[i] == nil && next.Add(1) <= int64(many) {
				each, cancel := context.WithTimeout(ctx, patience)
				errs[i] = b.Publish(each, trial(0))
				cancel()
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// trial is a message of a size by which it is tried whether the server takes any.
func trial(size int) brokers.Message {
	return brokers.Message{Queue: limitQueue, Body: []byte(`"` + strings.Repeat("x", size) + `"`), ContentType: "application/json", ContentEncoding: "utf-8"}
}

// publishBytes publishes a message of a size.
func publishBytes(ctx context.Context, t Target, patience time.Duration, size int) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	b, err := t.Driver.Open(ctx, t.Broker.Info().URL, t.Variant)
	if err != nil {
		return err
	}
	// A server that reads no more does not answer a good-bye either: then the connection ends when it reads again.
	defer func() { go func() { _ = b.Close() }() }()
	return b.Publish(ctx, trial(size))
}

// awaitRefusal publishes until that fails, for a server may take its time to see that it has reached a limit. Where it is to
// say so, its silence is no refusal.
func awaitRefusal(ctx context.Context, t Target, told bool, size int) (refusal error, err error) {
	patience, each := 5*time.Second, time.Second
	if told {
		patience, each = 20*time.Second, 10*time.Second
	}
	for end := time.Now().Add(patience); time.Now().Before(end); waitFor(ctx, 20*time.Millisecond) {
		refusal = publishBytes(ctx, t, each, size)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if refusal != nil && !(told && errors.Is(refusal, context.DeadlineExceeded)) {
			return refusal, nil
		}
	}
	if refusal != nil {
		return nil, fmt.Errorf("no publish was refused within %v: the last had no answer (%w)", patience, refusal)
	}
	return nil, fmt.Errorf("publishes were taken for %v all the same", patience)
}

// purgeWithin is for how long a server is asked to purge a queue.
const purgeWithin = 10 * time.Second

// purge removes what was published to try, where the broker can. A server that has only just come back may refuse at first: a
// quorum queue is led by nobody yet.
func purge(ctx context.Context, t Target) error {
	for end := time.Now().Add(purgeWithin); ; waitFor(ctx, 100*time.Millisecond) {
		if err := purgeOnce(ctx, t); err == nil || ctx.Err() != nil || !time.Now().Before(end) {
			return err
		}
	}
}

func purgeOnce(ctx context.Context, t Target) error {
	b, err := t.Driver.Open(ctx, t.Broker.Info().URL, t.Variant)
	if err != nil {
		return fmt.Errorf("purge %s: %w", limitQueue, err)
	}
	defer func() { _ = b.Close() }() // a purge is settled when it returns
	if p, ok := b.(brokers.Purger); ok {
		if _, err := p.Purge(ctx, limitQueue); err != nil {
			return fmt.Errorf("purge %s: %w", limitQueue, err)
		}
	}
	return nil
}

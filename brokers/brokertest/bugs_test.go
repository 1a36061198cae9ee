package brokertest_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/brokertest"
	"taskbench/brokers/memory"
)

// bugs returns broken brokers, at least one for each clause, with state of their own.
func bugs() []bug {
	return slices.Concat(carriageBugs(), consumptionBugs(), settlementBugs(), publishingBugs(), countingBugs(), exchangeBugs(), delayBugs(), outageBugs(), leaseBugs())
}

func carriageBugs() []bug {
	var n atomic.Int64
	var consumed atomic.Bool
	twice := func(ctx context.Context, m brokers.Message, next publishFunc) error {
		if n.Add(1)%20 == 0 {
			return errors.Join(next(ctx, m), next(ctx, m))
		}
		return next(ctx, m)
	}
	return []bug{
		{clause: "delivers-once", name: "repeats some", publish: twice},
		{clause: "consumers-share", name: "repeats some", publish: twice},
		{
			clause: "delivers-once", name: "drops some",
			publish: func(ctx context.Context, m brokers.Message, next publishFunc) error {
				if n.Add(1)%20 == 0 {
					return nil
				}
				return next(ctx, m)
			},
		},
		{
			clause: "publish-before-consume", name: "drops what no consumer waits for",
			publish: func(ctx context.Context, m brokers.Message, next publishFunc) error {
				if !consumed.Load() {
					return nil
				}
				return next(ctx, m)
			},
			consume: func(ctx context.Context, queues []string, prefetch int, next consumeFunc) (brokers.Consumer, error) {
				consumed.Store(true)
				return next(ctx, queues, prefetch)
			},
		},
		{
			clause: "headers-unchanged", name: "drops empty headers",
			see: func(d brokers.Delivery) brokers.Delivery {
				return mangled(d, func(m *brokers.Message) { delete(m.Headers, "shadow") })
			},
		},
		{
			clause: "headers-unchanged", name: "makes numbers into text",
			see: func(d brokers.Delivery) brokers.Delivery {
				return mangled(d, func(m *brokers.Message) { m.Headers["retries"] = "3" })
			},
		},
		{
			clause: "properties-unchanged", name: "forgets whom to answer",
			see: func(d brokers.Delivery) brokers.Delivery {
				return mangled(d, func(m *brokers.Message) { m.ReplyTo = "" })
			},
		},
		{
			clause: "bodies-unchanged", name: "takes bodies for text",
			see: func(d brokers.Delivery) brokers.Delivery {
				return mangled(d, func(m *brokers.Message) { m.Body = bytes.ToValidUTF8(m.Body, []byte("?")) })
			},
		},
		{
			clause: "many-queues", name: "listens to the first ten only",
			consume: func(ctx context.Context, queues []string, prefetch int, next consumeFunc) (brokers.Consumer, error) {
				return next(ctx, queues[:min(10, len(queues))], prefetch)
			},
		},
		{
			clause: "many-queues", name: "does not say where a message came from",
			see: func(d brokers.Delivery) brokers.Delivery {
				return mangled(d, func(m *brokers.Message) { m.Queue = brokers.DefaultQueue })
			},
		},
		{
			clause: "fifo", name: "lets some overtake",
			publish: func(ctx context.Context, m brokers.Message, next publishFunc) error {
				if n.Add(1)%20 == 0 {
					m.Priority = 9
				}
				return next(ctx, m)
			},
		},
		{
			clause: "priorities", name: "knows no priorities",
			publish: func(ctx context.Context, m brokers.Message, next publishFunc) error {
				m.Priority = 0
				return next(ctx, m)
			},
		},
	}
}

func settlementBugs() []bug {
	return []bug{
		{clause: "unacked-returns-on-close", name: "acks on delivery", see: ackNow, settle: settleNothing},
		{clause: "unacked-returns-on-lost-link", name: "acks on delivery", see: ackNow, settle: settleNothing},
		{
			clause: "redelivered-flag", name: "never flags",
			see: func(d brokers.Delivery) brokers.Delivery { return flagged(d, false) },
		},
		{
			clause: "redelivered-flag", name: "always flags",
			see: func(d brokers.Delivery) brokers.Delivery { return flagged(d, true) },
		},
		{
			clause: "redelivered-flag", name: "counts deliveries from 2",
			see: func(d brokers.Delivery) brokers.Delivery { return times(d, 2) },
		},
		{
			clause: "redelivered-flag", name: "counts each delivery as the first",
			see: func(d brokers.Delivery) brokers.Delivery { return times(d, 1) },
		},
		{clause: "ack-is-final", name: "forgets acks", settle: settleNothing},
		{clause: "nack-requeues", name: "drops what is given back", settle: instead(giveBack, ack)},
		{clause: "nack-requeues", name: "sets aside what is given back", settle: instead(giveBack, reject)},
		{clause: "rejected-never-returns", name: "requeues what is rejected", settle: instead(reject, giveBack)},
		{clause: "rejected-is-kept-aside", name: "drops what is rejected", settle: instead(reject, ack)},
		{
			clause: "settled-once", name: "takes a second settling for a success",
			settle: func(ctx context.Context, how settling, d brokers.Delivery) error {
				if err := how.carryOut(ctx, d); !errors.Is(err, brokers.ErrSettled) {
					return err
				}
				return nil
			},
		},
	}
}

// ackNow acknowledges a message before its reader has it.
func ackNow(d brokers.Delivery) brokers.Delivery {
	if err := d.(*passed).Delivery.Ack(context.Background()); err != nil {
		return nil
	}
	return d
}

func settleNothing(context.Context, settling, brokers.Delivery) error { return nil }

// instead settles in the way of done whatever should be settled in the way of asked.
func instead(asked, done settling) func(context.Context, settling, brokers.Delivery) error {
	return func(ctx context.Context, how settling, d brokers.Delivery) error {
		if how == asked {
			how = done
		}
		return how.carryOut(ctx, d)
	}
}

func publishingBugs() []bug {
	var inFlight atomic.Int64
	var closed atomic.Bool
	return []bug{
		{
			clause: "confirmed-is-stored", name: "confirms what it has only buffered",
			publish: func(ctx context.Context, m brokers.Message, next publishFunc) error {
				time.AfterFunc(time.Millisecond, func() { _ = next(context.WithoutCancel(ctx), m) })
				return nil
			},
		},
		{
			clause: "concurrent-publishers", name: "drops what comes while it is busy",
			publish: func(ctx context.Context, m brokers.Message, next publishFunc) error {
				defer inFlight.Add(-1)
				if inFlight.Add(1) > 1 {
					return nil
				}
				return next(ctx, m)
			},
		},
		{
			clause: "batch-tells-each", name: "blames all for one",
			batch: func(ctx context.Context, ms []brokers.Message, next batchFunc) []error {
				all := errors.Join(next(ctx, ms)...)
				return slices.Repeat([]error{all}, len(ms))
			},
		},
		{
			clause: "batch-tells-each", name: "gives up silently after the first mistake",
			batch: func(ctx context.Context, ms []brokers.Message, next batchFunc) []error {
				return append(next(ctx, ms[:2]), nil)
			},
		},
		{
			clause: "cancelled-publish-does-nothing", name: "does not look at the context",
			publish: func(ctx context.Context, m brokers.Message, next publishFunc) error {
				return next(context.WithoutCancel(ctx), m)
			},
		},
		{clause: "cancelled-consume-ends", name: "does not look at the context", consume: regardless},
		{
			clause: "closed-broker-refuses", name: "takes messages after its end",
			publish: func(ctx context.Context, m brokers.Message, next publishFunc) error {
				if closed.Load() {
					return nil
				}
				return next(ctx, m)
			},
			close: func(next func() error) error {
				closed.Store(true)
				return next()
			},
		},
		{
			clause: "closes-twice", name: "fails the second time",
			close: func(next func() error) error {
				if closed.Swap(true) {
					return errors.New("closed already")
				}
				return next()
			},
		},
	}
}

func countingBugs() []bug {
	return []bug{
		{clause: "counts-ready", name: "counts one too few", depth: func(r, u int) (int, int) { return max(0, r-1), u }},
		{clause: "counts-ready", name: "counts what was ever there", depth: func(r, u int) (int, int) { return max(7, r), u }},
		{clause: "counts-unacked", name: "knows no unacked", depth: func(r, u int) (int, int) { return r, 0 }},
		{clause: "counts-unacked", name: "takes unacked for ready", depth: func(r, u int) (int, int) { return r + u, u }},
		{clause: "purges-ready", name: "miscounts", purge: func(n int) int { return n + 1 }},
	}
}

func outageBugs() []bug {
	var doubtful, failed atomic.Bool
	return []bug{
		{
			clause: "open-refused-is-definite", name: "connects only when it must",
			open: func(_ context.Context, dial memory.Dial) (brokers.Broker, error) { return memory.New().Broker(), nil },
		},
		{
			clause: "open-refused-is-definite", name: "calls it unknown",
			open: func(ctx context.Context, dial memory.Dial) (brokers.Broker, error) {
				b, err := memory.Connect(ctx, dial)
				if err != nil {
					return nil, errors.New(err.Error())
				}
				return b, nil
			},
		},
		{
			clause: "publish-keeps-deadline", name: "has a patience of its own",
			publish: func(ctx context.Context, m brokers.Message, next publishFunc) error {
				ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
				defer cancel()
				return next(ctx, m)
			},
		},
		{
			clause: "unanswered-publish-is-unknown", name: "takes silence for refusal",
			publish: func(ctx context.Context, m brokers.Message, next publishFunc) error {
				return brokers.Refuse(next(ctx, m))
			},
		},
		{
			clause: "outcomes-hold-after-break", name: "takes doubt for success",
			publish: func(ctx context.Context, m brokers.Message, next publishFunc) error {
				if !doubtful.Load() && next(ctx, m) != nil {
					doubtful.Store(true)
				}
				return nil
			},
		},
		{clause: "outcomes-hold-after-break", name: "stays down", publish: staysDown(&failed)},
		{clause: "publish-to-dead-keeps-deadline", name: "stays down", publish: staysDown(&failed)},
		{
			clause: "outcomes-hold-after-break", name: "consumes no more",
			publish: func(ctx context.Context, m brokers.Message, next publishFunc) error {
				err := next(ctx, m)
				if err != nil {
					failed.Store(true)
				}
				return err
			},
			consume: func(ctx context.Context, queues []string, prefetch int, next consumeFunc) (brokers.Consumer, error) {
				if failed.Load() {
					return nil, errors.New("the link was lost")
				}
				return next(ctx, queues, prefetch)
			},
		},
		{
			clause: "publish-to-dead-keeps-deadline", name: "waits for the server",
			publish: func(ctx context.Context, m brokers.Message, next publishFunc) error {
				err := next(ctx, m)
				if err != nil {
					<-time.After(5 * time.Second)
				}
				return err
			},
		},
		{
			clause: "publish-to-dead-keeps-deadline", name: "keeps for later what it cannot send, and calls that done",
			publish: func(ctx context.Context, m brokers.Message, next publishFunc) error {
				_ = next(ctx, m)
				return nil
			},
		},
		{clause: "acked-survives-kill", name: "forgets acks", settle: settleNothing},
		{
			clause: "survives-kill", name: "keeps nothing",
			hurt: func(r *rig, s *brokertest.Subject) {
				s.Kill = func(ctx context.Context) (func(context.Context) error, error) {
					start, err := r.kill(ctx)
					r.engine = memory.New()
					return start, err
				}
			},
		},
		{
			clause: "held-survives-kill", name: "acks on delivery", see: ackNow,
			settle: func(context.Context, settling, brokers.Delivery) error { return errors.New("the link was lost") },
		},
		{clause: "held-survives-kill", name: "takes the end of a link for an answer", settle: settleNothing},
		{clause: "lost-link-ends-consumer", name: "does not tell", consume: deaf},
		{clause: "silent-link-ends-consumer", name: "does not tell", consume: deaf},
	}
}

// staysDown does not publish again after a failure.
func staysDown(failed *atomic.Bool) func(context.Context, brokers.Message, publishFunc) error {
	return func(ctx context.Context, m brokers.Message, next publishFunc) error {
		if failed.Load() {
			return errors.New("the link was lost")
		}
		err := next(ctx, m)
		if err != nil {
			failed.Store(true)
		}
		return err
	}
}

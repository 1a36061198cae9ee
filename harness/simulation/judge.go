package simulation

import (
	"context"
	"slices"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/memory"
	"taskbench/harness/checks"
	"taskbench/harness/ledger"
	"taskbench/worker"
)

// remains looks at what is left in the broker once nobody works any more, and returns the tasks that it keeps aside.
func (r *run) remains() (dead map[uint64]bool) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	b := r.network.engine.Connect(memory.Rules{})
	defer b.Close()
	if ready, held, err := b.Depth(ctx, queue); err != nil || ready+held > 0 {
		r.violate("after the workers have stopped, the broker has %d messages ready and %d held, %v", ready, held, err)
	}
	dead = map[uint64]bool{}
	n, _, err := b.Depth(ctx, brokers.DeadLetterQueue(queue))
	if err != nil || n == 0 {
		return dead
	}
	c, err := b.Consume(ctx, []string{brokers.DeadLetterQueue(queue)}, n)
	if err != nil {
		r.violate("the dead letters cannot be read: %v", err)
		return dead
	}
	for range n {
		id, _ := (<-c.Deliveries()).Message().Headers["id"].(string)
		if seq, ours := r.tag.Parse(id); ours {
			dead[seq] = true
		}
	}
	return dead
}

// longest is the longest task, and the longest time for which the rules may hold a message back.
func (r *run) longest() (d time.Duration) {
	for _, t := range r.plan.Tasks {
		d = max(d, t.Duration+t.Countdown)
	}
	rules := r.plan.Rules
	return d + max(rules.Lease, rules.Visibility, rules.ConsumerTimeout)
}

// stallAfter is how long nothing may finish while no fault is in force: a worker's patience, and the longest.
func (r *run) stallAfter() time.Duration { return 15*time.Second + r.longest() }

func (r *run) meta(drained bool, left int, ended int64) ledger.Meta {
	m := ledger.Meta{
		Scenario: "simulation", Broker: "memory:default", System: "native", Pool: r.plan.Pool, Acks: string(r.plan.Acks),
		Seed: r.plan.Seed, Nodes: []string{"broker"}, DrainEnded: ended, Drained: drained, Left: left,
		Settings: map[string]string{checks.StallSetting: r.stallAfter().String()},
	}
	for _, h := range r.hosts {
		m.Nodes = append(m.Nodes, h.name)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	m.Faults = slices.Clone(r.spans)
	return m
}

// judge has the checks judge the history, and says what cannot be excused.
func (r *run) judge(m ledger.Meta, dead map[uint64]bool) checks.Counts {
	if !m.Drained {
		r.violate("the drain did not end: %d messages are left, and workers have %d attempts in hand", m.Left, r.recorder.Open(r.alive))
	}
	h := r.recorder.Freeze(m)
	report := checks.Run(h)
	for _, name := range []string{"accounting", "unexpected", "stuck", "stall"} {
		for _, f := range report.Verdict(name).Findings {
			r.violate("%s: task %d %s", name, f.Task, f.Text)
		}
	}
	found := map[uint64]bool{}
	for _, name := range []string{"lost", "orphaned"} {
		for _, f := range report.Verdict(name).Findings {
			if !found[f.Task] && !r.excused(h.Task(int(f.Task)), dead) {
				r.violate("%s: task %d %s", name, f.Task, f.Text)
			}
			found[f.Task] = true
		}
	}
	for t := range h.All() {
		for _, a := range t.Attempts {
			if a.Outcome == ledger.Failed && r.plan.Tasks[t.Seq].Kind != Panic {
				r.violate("task %d failed, which nothing in it does", t.Seq)
			}
		}
	}
	for seq := range dead {
		if k := r.plan.Tasks[seq].Kind; k != Garbled && k != Unknown && r.plan.Rules.DeliveryLimit == 0 {
			r.violate("task %d, which is sound, was kept aside", seq)
		}
	}
	if r.lonely() {
		for _, f := range report.Verdict("duplicated").Findings {
			if t := r.plan.Tasks[f.Task]; t.Kind != Fail && t.Countdown == 0 {
				r.violate("task %d was %s by one worker that never went away", f.Task, f.Text)
			}
		}
	}
	if len(r.plan.Faults) == 0 && r.plan.Rules == (memory.Rules{}) {
		if c := report.Counts; c.Duplicated+c.Redelivered+c.Concurrent+c.Refused+c.Unknown > 0 {
			r.violate("nothing was broken, and the counts are %+v", c)
		}
	}
	return report.Counts
}

// lonely tells whether one worker did everything: then it remembers what it has run, whatever the broker hands out again.
// Of a message that it sent itself, a retry or one that is to wait in the broker, there may be two, if the connection was
// lost meanwhile.
func (r *run) lonely() bool {
	for _, f := range r.plan.Faults {
		if f.What == Crash || f.What == Stop {
			return false
		}
	}
	for _, t := range r.plan.Tasks {
		if t.Kind == Deadly {
			return false
		}
	}
	return r.plan.Workers == 1
}

// excused tells whether a loss is one that the plan allows: kept aside by the broker, in the hands of a worker that had
// acknowledged it before its end and did not come to it, or forgotten by a broker that forgets.
func (r *run) excused(t ledger.Task, dead map[uint64]bool) bool {
	if dead[t.Seq] {
		return true
	}
	r.mu.Lock()
	restarted := r.restarted
	r.mu.Unlock()
	if restarted != 0 && t.PublishStart <= restarted-r.began {
		return true
	}
	if r.plan.Acks != worker.Early || len(t.Attempts) == 0 {
		return false
	}
	for _, a := range t.Attempts {
		if a.Started != 0 && (a.Finished == 0 || a.Outcome == ledger.Retried || a.Outcome == ledger.Killed) && r.cutOff(a) {
			return true
		}
	}
	return false
}

// cutOff tells whether an attempt was in the hands of a life that crashed, or that was stopped before it was through.
func (r *run) cutOff(a ledger.Attempt) bool {
	for _, h := range r.hosts {
		for _, l := range h.lives {
			if l.pid == a.PID {
				return l.dead.Load() || l.stopping.Load() && r.plan.Grace > 0
			}
		}
	}
	return false
}

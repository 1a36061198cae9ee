package reports

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"taskbench/harness"
)

// A setup is one broker that the fixtures are made of; the numbers are of the size that real ones have.
type setup struct {
	broker, variant, durability, server string
	median                              float64 // seconds from due to finish
	rss                                 int64
}

var (
	rabbitQuorum  = setup{"rabbitmq", "quorum", "fsync", "rabbitmq 4.1.2", 0.0216, 148 << 20}
	rabbitClassic = setup{"rabbitmq", "classic", "page-cache", "rabbitmq 4.1.2", 0.0142, 131 << 20}
	redisAlways   = setup{"redis", "aof-always", "fsync", "redis 7.0.15", 0.0128, 14 << 20}
	redisEverysec = setup{"redis", "aof-everysec", "page-cache", "redis 7.0.15", 0.0087, 13 << 20}
	redisMemory   = setup{"redis", "memory", "memory", "redis 7.0.15", 0.0079, 12 << 20}
	sqliteFile    = setup{"sqlite", "wal", "fsync", "sqlite 3.46.0", 0.0181, 0}
)

func run(name, asks string, outcome harness.Outcome, cells ...harness.Cell) harness.Result {
	if cells == nil {
		cells = []harness.Cell{}
	}
	return harness.Result{
		Schema: harness.Schema, Name: name, Asks: asks, Seed: 7, Outcome: outcome, Cells: cells,
		Provenance: harness.Provenance{Version: "v0.1.0 (3f2a91c)", Go: "go1.26.8", OS: "linux", Kernel: "6.1.0-31-amd64", Host: "bench-1",
			CPU: "AMD EPYC 7763 64-Core Processor", CPUs: 2, Memory: 24 << 30, Started: "2026-03-14T09:26:53Z",
			Command:  "bench compare --lab docker --brokers rabbitmq:quorum,redis:aof-always --pools prefork,goroutine --duration 30s --repeat 3 --seed 7",
			WorkUnit: 41873},
	}
}

// steadyCell is a cell without a fault, with noise from the repeat's own seed.
func steadyCell(s setup, pool string, repeat int) harness.Cell {
	const rate, warmup, length, drain = 200.0, 5.0, 30.0, 2.0
	rnd := rand.New(rand.NewPCG(uint64(repeat), uint64(len(s.broker)+len(s.variant)+len(pool))))
	noise := func(by float64) float64 { return 1 + by*(2*rnd.Float64()-1) }
	slow := 1.0
	if pool == "prefork" {
		slow = 1.32
	}
	end := s.median * slow * noise(0.04)
	c := harness.Cell{
		Broker: s.broker, Variant: s.variant, Durability: s.durability, Server: s.server, Image: "", Lab: "docker", System: "native", Pool: pool,
		Acks: "late", Workers: 2, Concurrency: 8, Prefetch: 4, Workload: "mixed", Repeat: repeat, Outcome: harness.Pass, Warnings: []string{},
		Load:     harness.LoadAsked{Shape: "poisson", Rate: rate, For: length, Warmup: warmup},
		Settings: map[string]string{"maxmemory-policy": "noeviction", "appendfsync": "always"}, Guarantee: "exactly-once",
		Throughput: harness.Throughput{Offered: rate * noise(0.004), Completed: rate * noise(0.005)},
		Latency: map[string]harness.Latency{
			"due_to_finish":      spread(end, 6000),
			"send_to_finish":     spread(end*0.995, 6000),
			"due_to_publish":     spread(0.00011*noise(0.1), 6000),
			"publish_to_confirm": spread(end*0.12, 6000),
			"confirm_to_start":   spread(end*0.06, 6000),
			"start_to_finish":    spread(end*0.8, 6000),
			"finish_to_ack":      spread(end*0.05, 6000),
		},
		Counts:   harness.Counts{Attempted: 6000, Acknowledged: 6000, Executed: 6000},
		Recovery: harness.Recovery{}, Faults: []harness.FaultResult{},
		History: fmt.Sprintf("history.%s.%s.%s.%d.zst", s.broker, s.variant, pool, repeat), Logs: []string{"logs/broker.log", "logs/worker-1.log", "logs/worker-2.log"},
	}
	c.Phases = []harness.PhaseResult{
		{Phase: "warmup", From: 0, To: warmup, Throughput: c.Throughput, Latency: c.Latency},
		{Phase: "steady", From: warmup, To: warmup + length, Throughput: c.Throughput, Latency: c.Latency},
		{Phase: "drain", From: warmup + length, To: warmup + length + drain, Latency: map[string]harness.Latency{}},
	}
	nodes := []string{"worker-1", "worker-2"}
	if s.rss > 0 {
		nodes = append([]string{"broker"}, nodes...)
	}
	for _, n := range nodes {
		base := 24e6 * slow
		if n == "broker" {
			base = float64(s.rss)
		}
		ns := harness.NodeSeries{Node: n}
		var peak int64
		for at := 0.0; at < warmup+length+drain; at += 0.25 {
			ns.At = append(ns.At, at)
			v := int64(base * (1 + 0.12*(1-math.Exp(-at/8))) * noise(0.006))
			peak = max(peak, v)
			ns.RSS = append(ns.RSS, v)
			ns.CPU = append(ns.CPU, 0.3*noise(0.3))
		}
		c.Series.Nodes = append(c.Series.Nodes, ns)
		c.Resources = append(c.Resources, harness.Resource{Node: n, CPUSeconds: 9.4 * noise(0.1), RSSPeak: peak,
			RSSSlope: 1200 * noise(0.5), RSSSlopeLow: -900, RSSSlopeHigh: 3400, FDsPeak: 31 + rnd.IntN(9)})
	}
	c.Series.Step = 0.5
	for at := 0.0; at < warmup+length; at += 0.5 {
		offered := rate * noise(0.08)
		c.Series.Offered = append(c.Series.Offered, offered)
		c.Series.Completed = append(c.Series.Completed, offered*noise(0.02))
	}
	c.Series.Completed = append(c.Series.Completed, 12, 0)
	c.Expectations = []harness.Expectation{
		{Expect: "lost == 0", Held: true, Value: 0.0},
		{Expect: "unexpected == 0", Held: true, Value: 0.0},
		{Expect: "latency.due_to_finish.p99 < 500ms", Held: true, Value: c.Latency["due_to_finish"].P99},
	}
	return c
}

func spread(median float64, n int64) harness.Latency {
	return harness.Latency{P50: median, P90: median * 2.1, P99: median * 4.7, P999: median * 9.3, Max: median * 14.8, Count: n}
}

// killedCell is a cell whose broker was killed ten seconds into the measured load and came back after five.
func killedCell(s setup, pool string, repeat, lost int) harness.Cell {
	c := steadyCell(s, pool, repeat)
	at, healed := 15.0+0.003*float64(repeat), 20.4+0.11*float64(repeat)
	c.Faults = []harness.FaultResult{{Fault: "kill", Node: "broker", At: at, InEffect: at + 0.012, Healed: healed,
		Proof: "process 4121 is gone; connect to 127.0.0.1:40213 is refused", HealProof: "PING answered by a server with a new run id"}}
	for i := range c.Series.Completed {
		switch bin := float64(i) * c.Series.Step; {
		case bin >= at && bin < healed+0.5:
			c.Series.Completed[i] = 0
		case bin >= healed+0.5 && bin < healed+4:
			c.Series.Completed[i] = 430 - 20*float64(repeat)
			if lost > 0 {
				c.Series.Completed[i] = 215
			}
		}
	}
	p := func(v float64) *float64 { v += 0.04 * float64(repeat); return &v }
	c.Recovery = harness.Recovery{BrokerReachable: p(0.21), FirstPublish: p(0.34), FirstCompletion: p(0.62), To90Percent: p(1.5), BacklogDrained: p(4.3)}
	c.Throughput.Drain = 431
	c.Counts.Unknown, c.Counts.Recovered, c.Counts.Acknowledged, c.Counts.Attempted = 31, 17, 5969, 6000
	c.Counts.Duplicated, c.Counts.Lost, c.Counts.Executed = 9+repeat, lost, 5986-lost
	c.Guarantee = "at-least-once"
	c.Phases = []harness.PhaseResult{
		{Phase: "warmup", From: 0, To: 5, Throughput: c.Throughput, Latency: c.Latency},
		{Phase: "steady", From: 5, To: at, Throughput: c.Throughput, Latency: c.Latency},
		{Phase: "fault", From: at, To: healed, Throughput: harness.Throughput{Offered: 200}, Latency: map[string]harness.Latency{}},
		{Phase: "recovery", From: healed, To: 35, Throughput: harness.Throughput{Offered: 200, Completed: 266}, Latency: map[string]harness.Latency{"due_to_finish": spread(1.4, 2920)}},
		{Phase: "drain", From: 35, To: 36.2, Latency: map[string]harness.Latency{}},
	}
	c.Expectations = append(c.Expectations[:1:1], harness.Expectation{Expect: "recovery.first_completion < 20s", Held: true, Value: *c.Recovery.FirstCompletion})
	if lost > 0 {
		c.Outcome, c.Guarantee = harness.Fail, "none"
		c.Expectations[0].Held, c.Expectations[0].Value = false, float64(lost)
		for i := range min(lost, 30) {
			c.Findings = append(c.Findings, harness.Finding{Check: "lost", ID: fmt.Sprintf("0195a1c0-0000-7000-8000-%012d", 3000+i),
				Text: "acknowledged 0.8 s before the broker was killed, never received by a worker"})
		}
	}
	return c
}

// The fixtures, by name.
func fixtures() map[string]harness.Result {
	var steady, kill, many []harness.Cell
	for repeat := 1; repeat <= 3; repeat++ {
		for _, pool := range []string{"prefork", "goroutine"} {
			steady = append(steady, steadyCell(rabbitQuorum, pool, repeat), steadyCell(redisAlways, pool, repeat))
			kill = append(kill, killedCell(redisMemory, pool, repeat, 1190+7*repeat), killedCell(rabbitQuorum, pool, repeat, 0), killedCell(redisAlways, pool, repeat, 0))
		}
	}
	kill[3].Warnings = []string{"the generator lagged by 14 ms at p99, the bound is 10 ms"}
	for _, s := range []setup{rabbitQuorum, rabbitClassic, redisAlways, redisEverysec, redisMemory, sqliteFile} {
		for _, pool := range []string{"prefork", "goroutine", "threads", "green", "solo"} {
			for repeat := 1; repeat <= 2; repeat++ {
				many = append(many, steadyCell(s, pool, repeat))
			}
		}
	}
	partial := run("steady", "How fast is each broker when nothing breaks?", harness.Undecided, steady[:3]...)
	partial.Warnings = []string{"interrupted: 3 of 12 cells were run"}
	partial.Cells = append([]harness.Cell(nil), partial.Cells...)
	cut := &partial.Cells[2]
	cut.Outcome, cut.Warnings, cut.Phases, cut.Series, cut.Expectations = harness.Undecided, []string{"interrupted before the drain: what is outstanding is not known to be lost"}, nil, harness.Series{}, []harness.Expectation{{Expect: "lost == 0", Why: "the drain did not finish"}}

	void := run("burst", "What does a burst do?", harness.Void, steadyCell(redisMemory, "solo", 1), steadyCell(redisMemory, "prefork", 1))
	for i := range void.Cells {
		void.Cells[i].Outcome = harness.Void
		void.Cells[i].Warnings = []string{"offered 131 of 200 tasks/s: the generator could not keep up"}
	}
	unfit := harness.Cell{Broker: "sqlite", Variant: "wal", Durability: "fsync", Lab: "embedded", System: "native", Pool: "prefork", Workload: "mixed",
		Repeat: 1, Outcome: harness.Unfit, Warnings: []string{"kill on broker: sqlite is a library, there is no server to kill"}}
	// What nobody expects: names that are long or hostile, a fault that was never healed, and cells that lack all that may be lacking.
	long := steadyCell(setup{"averylongbrokername-thatneverends-and-has-no-space", "with_a_variant_that_is_just_as_long_as_its_broker", "fsync", "x", 0.01, 1 << 20}, "goroutine", 1)
	hostile := harness.Cell{Broker: "<script>alert(1)</script>", Variant: "|*_`", Pool: "\"'&", Repeat: 1, Outcome: harness.Undecided,
		Warnings: []string{"</style><img src=x onerror=alert(1)> " + strings.Repeat("w", 300)}, Logs: []string{"javascript:alert(1)"},
		Expectations: []harness.Expectation{{Expect: "lost == 0 && \"]]>\" != `<b>`", Value: []any{"<i>", 1.5}}}}
	bare := harness.Cell{Broker: "b", Repeat: 1, Outcome: harness.Fail, Faults: []harness.FaultResult{{Fault: "pause", Node: "worker-1", At: 3}}}
	// Several scenarios: calm, one in which a promise was broken, and one that a broker cannot have.
	var under []harness.Cell
	for _, s := range []setup{redisAlways, sqliteFile} {
		calm, broken := steadyCell(s, "goroutine", 1), killedCell(s, "goroutine", 1, 0)
		broken.Under = "broker-kill"
		if s.broker == "sqlite" {
			broken = harness.Cell{Broker: s.broker, Variant: s.variant, Durability: s.durability, Lab: "docker", System: "native", Pool: "goroutine", Acks: "late",
				Workers: 2, Concurrency: 8, Prefetch: 4, Load: calm.Load, Workload: "mixed", Under: "broker-kill", Repeat: 1, Outcome: harness.Unfit, Warnings: unfit.Warnings}
		} else {
			broken.Counts.Lost, broken.Guarantee, broken.Outcome = 3, "none", harness.Fail
		}
		calm.Promised, broken.Promised = "at-least-once", "at-least-once"
		under = append(under, broken, calm)
	}
	return map[string]harness.Result{
		"under":       run("compare", "", harness.Fail, under...),
		"odd":         run("odd/name with spaces <&>", "Why \"so\" <odd>?", harness.Fail, long, hostile, bare),
		"steady":      run("steady", "How fast is each broker when nothing breaks?", harness.Pass, steady...),
		"broker-kill": run("broker-kill", "What is lost when the broker is killed with SIGKILL under load and comes back?", harness.Fail, append(kill, unfit)...),
		"void":        void,
		"interrupted": partial,
		"empty":       run("steady", "", harness.Undecided),
		"many":        run("wide", "Every broker with every pool.", harness.Pass, many...),
		"one":         run("steady", "How fast is one broker?", harness.Pass, steadyCell(redisAlways, "goroutine", 1)),
	}
}

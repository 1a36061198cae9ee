package scenario

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strconv"
	"testing"
	"time"
)

// unlined is a scenario without the lines on which things stood, which writing it anew changes.
func unlined(s Scenario) Scenario {
	for i := range s.Faults {
		s.Faults[i].Line = 0
	}
	for i := range s.Chaos.Faults {
		s.Chaos.Faults[i].Fault.Line = 0
	}
	for i := range s.Expect {
		s.Expect[i].Line = 0
	}
	s.File = ""
	return s
}

func roundTrip(t *testing.T, s Scenario) {
	t.Helper()
	text, err := Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse("again.yaml", text, known, Full)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if got, want := unlined(again), unlined(s); !reflect.DeepEqual(got, want) {
		t.Fatalf("\ngot  %+v\nwant %+v\n%s", got, want, text)
	}
}

func TestRoundTripOfFiles(t *testing.T) {
	for _, p := range []Profile{Full, Short} {
		s, err := Parse("whole.yaml", readFile(t, "whole.yaml"), known, p)
		if err != nil {
			t.Fatal(err)
		}
		roundTrip(t, s)
	}
}

// Scenarios that nobody would write, with every field anything that is allowed.
func TestRoundTripOfAnything(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 13))
	for range 300 {
		roundTrip(t, anything(r))
	}
}

func anything(r *rand.Rand) Scenario {
	span := func() time.Duration { return time.Duration(1 + r.Int64N(int64(time.Hour)>>r.IntN(40))) }
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	odd := func() string {
		return pick("a: b", "- c", "# no comment", `"quoted" 'twice'`, "{curly", "yes", "12", "~", "two\nlines", "ends:", "*star", "!bang", "%", "lost == 0 # all", "ü ✓")
	}
	low, high := span(), span()
	dist := []Dist{
		{Kind: "constant", P50: span()},
		{Kind: "constant"},
		{Kind: "uniform", Min: min(low, high) - 1, Max: max(low, high)},
		{Kind: "exponential", Mean: span()},
		{Kind: "lognormal", P50: min(low, high), P99: max(low, high)},
	}[r.IntN(5)]
	s := Scenario{
		Name: "any-1", Asks: odd(), Drain: span(),
		Workload: Workload{Name: "w", Tasks: []TaskMix{
			{Task: "io", Weight: 1 + r.IntN(9), Duration: dist, Via: pick("sleep", "http"), Payload: r.IntN(maxPayload + 1)},
			{Task: "leak", Weight: 1, Keep: 1 + r.Int64N(1<<40), ETA: span(), Expires: span(), Soft: span(), Limit: span(), Keys: r.IntN(9)},
		}},
		Load: []Load{
			{Shape: "constant", Rate: r.Float64() * 1e5},
			{Shape: "ramp", Rate: r.Float64() * 1e5, From: 1 + r.Float64()},
			{Shape: "burst", Burst: 1 + r.IntN(1000), Every: span()},
		}[r.IntN(3)],
		System: System{
			Name: "native", Pool: pick(known.Pools...), Workers: 20 + r.IntN(9), Concurrency: 1 + r.IntN(9), Acks: pick("early", "late"),
			Prefetch: r.IntN(9), MaxTasks: r.IntN(9), MaxMemory: r.Int64N(1 << 40), Grace: span(), Results: pick("", "broker"),
		},
		Run: Run{Seed: r.Uint64(), Pools: []string{"prefork"}, Repeat: 1 + r.IntN(9), Faults: []Injection{{Cell: odd(), At: span(), Healed: span()}}},
	}
	if r.IntN(2) == 0 {
		s.System.Beat = Beat{Every: leastEvery + span(), Entries: 1 + r.IntN(9), Beats: 1 + r.IntN(2), CatchUp: pick("all", "once", "skip"), Late: 1 + span()}
	}
	if s.System.Results != "" {
		s.Workload.Chord = r.IntN(9)
	}
	s.Load.For, s.Load.Warmup, s.Load.Publishers = 10*time.Hour, span(), 1+r.IntN(99)
	s.Faults = []Fault{
		{At: span(), Fault: "kill", Node: "worker", For: span()},
		{At: span(), Fault: "latency", Node: "broker", For: span(), Params: map[string]string{
			"delay": FormatDuration(span()), "jitter": "0s", "side": pick("both", "workers"), "times": strconv.Itoa(r.IntN(9)),
			"share": FormatPercent(Percent(r.Float64() * 100)), "rate": FormatSize(1 + r.Int64N(1<<40)),
		}},
		{At: 2 * time.Hour, On: pick("ack", "confirm"), Nth: 1 + r.IntN(99), Fault: "kill", Node: "broker", For: span()},
		{At: span(), Every: span() + time.Hour, Until: 10 * time.Hour, Fault: "kill-child", Node: "worker"},
		{At: span(), Fault: "kill-child", Node: "worker", Number: 1 + r.IntN(maxFaults)},
	}
	if r.IntN(2) == 0 {
		s.Chaos = Chaos{MTBF: leastMTBF + span(), At: span(), Until: 9 * time.Hour, Rest: span(), Seed: r.Uint64(), Faults: []Hazard{
			{Fault: Fault{Fault: "kill-child", Node: "worker"}, Weight: 1 + r.IntN(9)},
			{Fault: Fault{Fault: "latency", Node: "broker", Params: map[string]string{"delay": FormatDuration(span())}}, Weight: 1, For: Dist{Kind: "uniform", Min: 1, Max: span()}},
		}}
	}
	for i := range r.IntN(5) {
		s.Expect = append(s.Expect, Expect{When: pick("", "a == 1", odd()), Expr: fmt.Sprintf("%s %d", odd(), i)})
	}
	return s
}

func FuzzUnits(f *testing.F) {
	for _, s := range []string{"20ms", "1m30s", "8h", "200/s", "50k/s", "600/m", "1MiB", "64KiB", "10MB", "0", "-1s", "1e3/s", "NaN/s", "1.5GiB", "50%", "0.1%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := ParseDuration(s); err == nil {
			if again, err := ParseDuration(FormatDuration(d)); err != nil || again != d {
				t.Errorf("duration %q is %v, then %v, %v", s, d, again, err)
			}
		}
		if r, err := ParseRate(s); err == nil {
			if again, err := ParseRate(FormatRate(r)); err != nil || again != r {
				t.Errorf("rate %q is %v, then %v, %v", s, r, again, err)
			}
		}
		if p, err := ParsePercent(s); err == nil {
			if again, err := ParsePercent(FormatPercent(p)); err != nil || again != p {
				t.Errorf("percentage %q is %v, then %v, %v", s, p, again, err)
			}
		}
		if n, err := ParseSize(s); err == nil {
			if again, err := ParseSize(FormatSize(n)); err != nil || again != n {
				t.Errorf("size %q is %v, then %v, %v", s, n, again, err)
			}
		}
	})
}

func TestUnits(t *testing.T) {
	for s, want := range map[string]float64{"200/s": 200, "50k/s": 50000, "600/m": 10, "2M/s": 2e6, "36/h": 0.01, "0.5/s": 0.5} {
		if got, err := ParseRate(s); err != nil || got != want {
			t.Errorf("rate %q is %v, %v: want %v", s, got, err, want)
		}
	}
	for s, want := range map[string]int64{"1MiB": 1 << 20, "64KiB": 64 << 10, "10MB": 10e6, "512B": 512, "1.5GiB": 3 << 29, "2kB": 2000, "0": 0} {
		if got, err := ParseSize(s); err != nil || got != want {
			t.Errorf("size %q is %v, %v: want %v", s, got, err, want)
		}
	}
	for s, want := range map[string]Percent{"50%": 50, "0": 0, "100%": 100, "0.5 %": 0.5} {
		if got, err := ParsePercent(s); err != nil || got != want {
			t.Errorf("percentage %q is %v, %v: want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "5", "101%", "-1%", "NaN%", "%"} {
		if got, err := ParsePercent(s); err == nil {
			t.Errorf("percentage %q is %v: want a mistake", s, got)
		}
	}
	for _, s := range []string{"", "5", "5s", "1/d", "-1/s", "k/s", "Inf/s", "1//s"} {
		if got, err := ParseRate(s); err == nil {
			t.Errorf("rate %q is %v: want a mistake", s, got)
		}
	}
	for _, s := range []string{"", "5", "5M", "-1B", "1.5B", "MiB", "9999999999GiB", "1 TiB"} {
		if got, err := ParseSize(s); err == nil {
			t.Errorf("size %q is %v: want a mistake", s, got)
		}
	}
}

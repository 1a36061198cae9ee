package scenario

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew: look at the difference")

// known is a small world, so that the tests of the format do not depend on what the project can do today.
var known = Known{
	Tasks: []TaskSpec{
		{Name: "noop"},
		{Name: "cpu", Params: []Param{{Name: "duration"}, {Name: "work"}}, Needs: []string{"work|duration"}},
		{Name: "io", Params: []Param{{Name: "duration"}, {Name: "via"}}, Needs: []string{"duration"}},
		{Name: "crash", Params: []Param{{Name: "every"}, {Name: "until"}}},
		{Name: "leak", Params: []Param{{Name: "keep"}}, Needs: []string{"keep"}},
		{Name: "fail", Params: []Param{{Name: "fails"}}, Needs: []string{"fails"}},
		{Name: "poison", Params: []Param{{Name: "flaw"}}, Needs: []string{"flaw"}},
		{Name: "bulky", Params: []Param{{Name: "result"}}, Needs: []string{"result"}},
	},
	Faults: []FaultSpec{
		{Name: "kill", Node: "broker", Lasting: true},
		{Name: "kill", Node: "worker", Default: 2 * time.Second},
		{Name: "latency", Node: "broker", Lasting: true, Params: []Param{
			{Name: "delay", Default: 50 * time.Millisecond}, {Name: "jitter", Default: time.Duration(0)},
			{Name: "side", Default: "both", Choices: []string{"both", "workers"}}, {Name: "share", Default: Percent(50)},
			{Name: "rate", Default: Bytes(1 << 20), Positive: true}, {Name: "times", Default: 3},
		}},
		{Name: "kill-child", Node: "worker"},
		{Name: "rolling-restart", Node: "worker", Whole: true},
	},
	Steps:   []Param{{Name: "ack"}, {Name: "acked"}, {Name: "confirm"}},
	Pools:   []string{"goroutine", "prefork"},
	Systems: []string{"native"},
	Broker: func(name string) error {
		if !strings.HasPrefix(name, "redis") {
			return errors.New(unknown("broker", name, []string{"redis"}))
		}
		return nil
	},
	Expect: func(expr string) error {
		if strings.Contains(expr, "lots") {
			return errors.New(unknown("name", "lots", []string{"lost"}))
		}
		return nil
	},
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestParse(t *testing.T) {
	got, err := Parse("whole.yaml", readFile(t, "whole.yaml"), known, Full)
	if err != nil {
		t.Fatal(err)
	}
	want := Scenario{
		Name: "whole", Asks: "What does every key mean?", File: "whole.yaml", Drain: 90 * time.Second,
		Workload: Workload{Name: "mixed", Chord: 4, Tasks: []TaskMix{
			{Task: "io", Weight: 3, Via: "http", Duration: Dist{Kind: "lognormal", P50: 20 * time.Millisecond, P99: 200 * time.Millisecond}},
			{Task: "cpu", Weight: 1, Duration: Dist{Kind: "constant", P50: 10 * time.Millisecond}, Payload: 64 << 10},
			{Task: "cpu", Weight: 1, Work: 5000},
			{Task: "io", Weight: 1, Via: "sleep", Duration: Dist{Kind: "uniform", Max: 5 * time.Millisecond}},
			{Task: "leak", Weight: 1, Keep: 10e6, ETA: 2 * time.Second, Expires: time.Minute, Soft: 400 * time.Millisecond, Limit: 500 * time.Millisecond, Keys: 16, Queue: "bulk"},
			{Task: "crash", Weight: 1, Every: 10, Until: 2},
			{Task: "poison", Weight: 1, Flaw: "body"},
			{Task: "bulky", Weight: 1, Result: 10e6},
			{Task: "fail", Weight: 1, Fails: 2},
		}},
		Load: Load{Shape: "ramp", From: 10, Rate: 50_000, For: 30 * time.Second, Warmup: 5 * time.Second, Publishers: 32},
		System: System{Name: "native", Pool: "prefork", Workers: 2, Concurrency: 8, Acks: "late", Prefetch: 4, MaxTasks: 100, MaxMemory: 64 << 20, Grace: 10 * time.Second, Results: "broker",
			Beat: Beat{Every: 500 * time.Millisecond, Entries: 3, Beats: 2, CatchUp: "skip", Late: 5 * time.Second}},
		Faults: []Fault{
			{At: 10 * time.Second, Fault: "latency", Node: "broker", For: 5 * time.Second, Params: map[string]string{"delay": "50ms", "side": "workers", "share": "12.5%", "rate": "64KiB", "times": "2"}, Line: 22},
			{At: 20 * time.Second, Fault: "kill", Node: "worker", For: 2 * time.Second, Line: 23},
		},
		Expect: []Expect{
			{Expr: "lost == 0", Line: 25},
			{When: `variant.durability == "memory"`, Expr: "lost > 0", Line: 27},
			{When: `variant.durability == "memory"`, Expr: "duplicated == 0", Line: 27},
		},
		Run: Run{Seed: 7, Brokers: []string{"redis:aof-always"}, Pools: []string{"prefork"}, Lab: "docker", Repeat: 3, Faults: []Injection{
			{Cell: "redis.aof-always.prefork.mixed.1", Fault: "kill", Node: "worker-2", At: 20*time.Second + 1234567, Healed: 22 * time.Second},
		}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestShortProfile(t *testing.T) {
	got, err := Parse("whole.yaml", readFile(t, "whole.yaml"), known, Short)
	if err != nil {
		t.Fatal(err)
	}
	if got.Load.For != 3*time.Second || got.Load.Rate != 100 || got.Load.From != 10 || got.System.Workers != 1 || got.System.Pool != "prefork" {
		t.Errorf("load %+v, system %+v", got.Load, got.System)
	}
	if len(got.Faults) != 1 || got.Faults[0].At != time.Second || len(got.Expect) != 3 {
		t.Errorf("faults %+v, expect %+v", got.Faults, got.Expect)
	}
}

func TestDefaults(t *testing.T) {
	got, err := Parse("f", []byte("name: a\nasks: b?\nworkload: {tasks: [{task: noop}, {task: io, duration: 1ms}]}\nload: {rate: 10/s, for: 1s}\n"), known, Full)
	if err != nil {
		t.Fatal(err)
	}
	want := Scenario{
		Name: "a", Asks: "b?", File: "f", Drain: time.Minute,
		Workload: Workload{Name: "noop-io", Tasks: []TaskMix{
			{Task: "noop", Weight: 1},
			{Task: "io", Weight: 1, Via: "sleep", Duration: Dist{Kind: "constant", P50: time.Millisecond}},
		}},
		Load:   Load{Shape: "poisson", Rate: 10, For: time.Second, Publishers: 64},
		System: System{Name: "native", Pool: "goroutine", Workers: 1, Concurrency: 8, Acks: "late", Grace: 10 * time.Second},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// Every mistake that the files below plant must be told at once, with its line.
func TestMistakes(t *testing.T) {
	for _, name := range []string{"mistakes", "schedule", "chaos", "short", "steps", "syntax"} {
		_, err := Parse(name+".yaml", readFile(t, name+".yaml"), known, Full)
		if err == nil {
			t.Errorf("%s.yaml was accepted", name)
			continue
		}
		if *update {
			if err := os.WriteFile(filepath.Join("testdata", name+".txt"), []byte(err.Error()+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want := strings.TrimSpace(string(readFile(t, name+".txt")))
		if err.Error() != want {
			t.Errorf("%s.yaml:\n got:\n%v\n want:\n%s", name, err, want)
		}
	}
}

// Mistakes of one line are told in the same order each time.
func TestNegativeTimesOfATask(t *testing.T) {
	const text = `
name: hasty
asks: What is done before it is due?
workload: {tasks: [{task: noop, limit: -3s, expires: -2s, eta: -1s}]}
load: {rate: 10/s, for: 1s}
`
	const want = `f:4: workload.tasks.0.eta: must not be negative
f:4: workload.tasks.0.expires: must not be negative
f:4: workload.tasks.0.limit: must not be negative`
	for range 20 {
		if _, err := Parse("f", []byte(text), known, Full); err == nil || err.Error() != want {
			t.Fatalf("got:\n%v\nwant:\n%s", err, want)
		}
	}
}

// A chord without results would never end.
func TestChordsNeedResults(t *testing.T) {
	const text = `
name: bodyless
asks: What waits for results that nobody keeps?
workload: {chord: 3, tasks: [{task: noop}]}
load: {rate: 10/s, for: 1s}
`
	const want = "f:4: workload.chord: the body of a chord waits for the results of its header, and none are kept: say results: broker in system"
	if _, err := Parse("f", []byte(text), known, Full); err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
	s, err := Parse("f", []byte(text+"system: {results: broker}\n"), known, Full)
	if err != nil || s.Workload.Chord != 3 {
		t.Errorf("chord %d, %v", s.Workload.Chord, err)
	}
}

// What cannot be of a beat is told, and what is not said of one has its default.
func TestBeat(t *testing.T) {
	const text = "name: tick\nasks: Does it tick?\nworkload: {tasks: [{task: noop}]}\nload: {rate: 10/s, for: 9s}\n"
	with := known
	with.Faults = append(slices.Clone(known.Faults), FaultSpec{Name: "kill", Node: "beat", Default: time.Second})
	s, err := Parse("f", []byte(text+"system: {beat: {every: 2s}}\nfaults: [{at: 1s, fault: kill, node: beat}]\n"), with, Full)
	if want := (Beat{Every: 2 * time.Second, Entries: 1, Beats: 1, CatchUp: "all", Late: time.Second}); err != nil || s.System.Beat != want {
		t.Errorf("%+v, %v, want %+v", s.System.Beat, err, want)
	}
	for more, want := range map[string]string{
		"system: {beat: {entries: 2}}":                "f:5: system.beat: a beat needs every: how long is it from one tick to the next?",
		"system: {beat: {every: 1ms}}":                "f:5: system.beat.every: 1ms is below the least, 10ms",
		"system: {beat: {every: 10s}}":                "f:5: system.beat.every: 10s is longer than the load, 9s: no tick might be due in it",
		"system: {beat: {every: 1s, beats: 3}}":       "f:5: system.beat.beats: there is one beat, or there are two of which one fires",
		"system: {beat: {every: 1s, catch_up: al}}":   `f:5: system.beat.catch_up: unknown policy for missed ticks "al": did you mean all?`,
		"faults: [{at: 1s, fault: kill, node: beat}]": "f:5: faults.0.node: fault kill finds no beat to hurt: there is none without beat in system",
		"system: {beat: {every: 1s}}\nfaults: [{at: 1s, fault: kill, node: beat}, {at: 1500ms, fault: kill, node: beat}]": "f:6: faults.1: kill at 1.5s finds no beat to hurt: it overlaps with kill from 1s to 2s",
	} {
		if _, err := Parse("f", []byte(text+more+"\n"), with, Full); err == nil || err.Error() != want {
			t.Errorf("%s:\n got: %v\nwant: %s", more, err, want)
		}
	}
}

func TestEveryPrefixOfAFileIsReadWithoutPanic(t *testing.T) {
	data := readFile(t, "whole.yaml")
	for i := range data {
		if _, err := Parse("f", data[:i], known, Short); err != nil && !errors.As(err, new(Problems)) {
			t.Fatalf("first %d bytes: %v is no list of problems", i, err)
		}
	}
}

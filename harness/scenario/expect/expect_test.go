package expect_test

import (
	"slices"
	"strings"
	"testing"

	"taskbench/harness"
	"taskbench/harness/checks"
	"taskbench/harness/scenario/expect"
)

var words = expect.NewVocabulary(harness.Cell{}, []string{"due_to_finish", "confirm_to_start"})

func seconds(s float64) *float64 { return &s }

func cell() harness.Cell {
	return harness.Cell{
		Broker: "redis", Variant: "aof-always", Durability: "fsync", Lab: "docker", System: "native", Pool: "prefork", Acks: "late", Workers: 2,
		Counts:     harness.Counts{Attempted: 100, Lost: 3, Duplicated: 2, Executed: 97},
		Throughput: harness.Throughput{Offered: 200, Completed: 195.5},
		Recovery:   harness.Recovery{FirstPublish: seconds(0.4), FirstCompletion: seconds(19.5)},
		Latency:    map[string]harness.Latency{"due_to_finish": {P99: 0.25, Count: 90}, "confirm_to_start": {}},
		Phases:     []harness.PhaseResult{{Phase: "recovery", Throughput: harness.Throughput{Completed: 400, Drain: 420}}},
		Resources: []harness.Resource{
			{Node: "broker", RSSPeak: 10 << 20},
			{Node: "worker-1", RSSPeak: 60 << 20, RSSSlope: 100, CPUSeconds: 2},
			{Node: "worker-2", RSSPeak: 50 << 20, RSSSlope: 300, CPUSeconds: 3},
		},
	}
}

func judge(t *testing.T, when, then string, c harness.Cell) expect.Verdict {
	t.Helper()
	e, err := words.Compile(when, then)
	if err != nil {
		t.Fatalf("%s: %v", then, err)
	}
	f, err := expect.FactsOf(c)
	if err != nil {
		t.Fatal(err)
	}
	return e.Judge(f)
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		expr    string
		outcome expect.Outcome
		value   any
		why     string
	}{
		{"lost == 3", expect.Held, 3.0, ""},
		{"lost == 0", expect.NotHeld, 3.0, "lost is 3"},
		{"lost + duplicated <= 5", expect.Held, 5.0, ""},
		{"executed + lost == attempted", expect.Held, 100.0, ""},
		{"recovery.first_completion < 20s", expect.Held, 19.5, ""},
		{"recovery.first_completion < 19400ms", expect.NotHeld, 19.5, "recovery.first_completion is 19.5"},
		{"recovery.first_completion - recovery.first_publish < 1m", expect.Held, 19.1, ""},
		{"recovery.to_90_percent < 1h", expect.Undecided, nil, "recovery.to_90_percent was not seen"},
		{"!(recovery.to_90_percent < 1h)", expect.Undecided, nil, "recovery.to_90_percent was not seen"},
		{"recovery.to_90_percent == nil", expect.Held, nil, ""},
		{"recovery.first_publish != nil", expect.Held, 0.4, ""},
		{"recovery.to_90_percent < 1h || lost == 3", expect.Held, 3.0, ""},
		{"recovery.to_90_percent < 1h && lost == 0", expect.NotHeld, 3.0, "lost is 3"},
		{"recovery.to_90_percent < 1h and lost == 3", expect.Undecided, nil, "recovery.to_90_percent was not seen"},
		{"not (lost == 0) && duplicated == 2", expect.Held, 2.0, ""},
		{"latency.due_to_finish.p99 < 250ms", expect.NotHeld, 0.25, "latency.due_to_finish.p99 is 0.25"},
		{"latency.confirm_to_start.p99 < 250ms", expect.Undecided, nil, "latency.confirm_to_start.p99 was not seen"},
		{"latency.confirm_to_start.count == 0", expect.Held, 0.0, ""},
		{"throughput.completed >= 0.9 * throughput.offered", expect.Held, 195.5, ""},
		{"throughput.completed > 195/s && throughput.completed < 0.012M/s", expect.Held, 195.5, ""},
		{"throughput.drain > 0", expect.Undecided, nil, "throughput.drain was not seen"},
		{"phase.recovery.throughput.drain > 24000/m", expect.Held, 420.0, ""},
		{"phase.steady.throughput.completed > 0", expect.Undecided, nil, "phase.steady.throughput.completed was not seen"},
		{"worker.rss_peak == 60MiB", expect.Held, float64(60 << 20), ""},
		{"resources.worker.rss_slope == 300 && worker.cpu_seconds == 5s", expect.Held, 5.0, ""},
		{"resources.broker.rss_peak <= 10MB", expect.NotHeld, float64(10 << 20), "resources.broker.rss_peak is 10485760"},
		{`pool in ["prefork", "solo"]`, expect.Held, "prefork", ""},
		{`broker == "20s" || acks != 'late'`, expect.NotHeld, "late", `acks is "late"`},
		{"max(lost, duplicated) == 3", expect.Held, 3.0, ""},
	} {
		got := judge(t, "", c.expr, cell())
		if got.Outcome != c.outcome || got.Value != c.value || got.Why != c.why {
			t.Errorf("%s: %v with %v (%s), want %v with %v (%s)", c.expr, got.Outcome, got.Value, got.Why, c.outcome, c.value, c.why)
		}
	}
}

func TestConditions(t *testing.T) {
	for _, c := range []struct {
		when    string
		outcome expect.Outcome
	}{
		{`variant.durability == "fsync"`, expect.NotHeld},
		{`variant.durability == "memory"`, expect.Moot},
		{`variant.name == "aof-always" && workers == 2`, expect.NotHeld},
		{`recovery.backlog_drained < 1s`, expect.Undecided},
	} {
		if got := judge(t, c.when, "lost == 0", cell()); got.Outcome != c.outcome {
			t.Errorf("when %s: %v (%s), want %v", c.when, got.Outcome, got.Why, c.outcome)
		}
	}
}

func TestMistakesAreFoundBeforehand(t *testing.T) {
	for text, want := range map[string]string{
		"lots == 0":                     "unknown name lots: did you mean lost?",
		"recovery.first_complet < 1s":   "unknown name recovery.first_complet: did you mean recovery.first_completion?",
		"latency.due_to_start.p99 < 1s": "unknown name latency.due_to_start.p99: latency has confirm_to_start, due_to_finish",
		"lost.count == 0":               "lost has no parts",
		"recovery < 1s":                 "recovery is not one value",
		"lost == 20sec":                 `"20sec" is neither a number nor a duration`,
		"lost =< 0":                     "no expression",
		"lost + 1":                      "expected bool",
		`lost == "none"`:                "mismatched types",
		`lost == 0 && pool > 3`:         "invalid operation",
		"":                              "no expression",
		"counts[lost] == 1":             "only plain names can follow a dot",
		"let x = 1; x == lost":          "nothing more",
		"any([1], # == lost)":           "nothing more",
		"lots == 0 && duplicate == 0":   "did you mean duplicated?",
	} {
		err := words.Check(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if _, err := words.Compile("lots == 0", "duplicate == 0"); err == nil || strings.Count(err.Error(), "did you mean") != 2 {
		t.Errorf("mistakes on both sides: %v", err)
	}
}

// Everything that the vocabulary names must be among the facts of a cell in which everything was seen.
func TestEveryNameHasAFact(t *testing.T) {
	full := cell()
	some := harness.Throughput{Offered: 1, Completed: 1, Drain: 1}
	lat := map[string]harness.Latency{"due_to_finish": {Count: 1}, "confirm_to_start": {Count: 1}}
	full.Latency, full.Throughput, full.Phases = lat, some, nil
	for _, p := range []string{"warmup", "steady", "fault", "recovery", "drain"} {
		full.Phases = append(full.Phases, harness.PhaseResult{Phase: p, Throughput: some, Latency: lat})
	}
	for _, c := range checks.All() {
		full.Checks = append(full.Checks, harness.Checked{Check: c.Name, Outcome: "found", Count: 1})
	}
	full.Image = "an image"
	full.History = "a file"
	one := seconds(1)
	full.Recovery = harness.Recovery{BrokerReachable: one, FirstPublish: one, FirstCompletion: one, To90Percent: one, BacklogDrained: one}
	names := words.Names()
	for _, name := range names {
		if got := judge(t, "", name+" != nil", full); got.Outcome != expect.Held {
			t.Errorf("%s: %v (%s)", name, got.Outcome, got.Why)
		}
	}
	for _, must := range []string{"lost", "duplicated", "malformed", "worker.rss_slope", "recovery.to_90_percent", "variant.durability", "lab", "check.eta_late"} {
		if !slices.Contains(names, must) {
			t.Errorf("there is no name %s", must)
		}
	}
}

// A check that is undecided has found nothing that an expectation could go by.
func TestUndecidedChecksAreNotSeen(t *testing.T) {
	c := cell()
	c.Checks = []harness.Checked{{Check: "order", Outcome: "pass"}, {Check: "eta-late", Outcome: "undecided"}, {Check: "eta-early", Outcome: "found", Count: 2}}
	for text, want := range map[string]expect.Outcome{
		"check.order == 0": expect.Held, "check.eta_late == 0": expect.Undecided, "check.eta_early == 0": expect.NotHeld, "check.eta_early == 2": expect.Held,
	} {
		if got := judge(t, "", text, c); got.Outcome != want {
			t.Errorf("%s: %v (%s), want %v", text, got.Outcome, got.Why, want)
		}
	}
}

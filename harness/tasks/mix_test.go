package tasks

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/harness/scenario"
	"taskbench/worker/message"
)

var env = Env{Iterations: 123456, Slow: "http://127.0.0.1:1/", Marks: "/marks"}

func mixture(t testing.TB, seed uint64, mixes ...scenario.TaskMix) *Mix {
	t.Helper()
	m, err := NewMix(scenario.Workload{Tasks: mixes}, seed, env)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

var several = []scenario.TaskMix{
	{Task: "io", Weight: 5, Via: "sleep", Duration: scenario.Dist{Kind: "lognormal", P50: 20 * time.Millisecond, P99: 200 * time.Millisecond}},
	{Task: "cpu", Weight: 3, Duration: scenario.Dist{Kind: "constant", P50: 5 * time.Millisecond}},
	{Task: "crash", Weight: 2, Every: 4},
}

// kwargs reads a message back the way a worker does.
func kwargs(t *testing.T, m brokers.Message) (string, map[string]json.RawMessage) {
	t.Helper()
	task, err := message.Read(m)
	if err != nil {
		t.Fatal(err)
	}
	body, err := task.Body()
	if err != nil {
		t.Fatal(err)
	}
	return task.Name, body.Kwargs
}

func TestMixIsAFunctionOfSeedAndNumber(t *testing.T) {
	a, b, other := mixture(t, 7, several...), mixture(t, 7, several...), mixture(t, 8, several...)
	differ := 0
	for seq := range uint64(500) {
		first := a.Message(seq, "x", "q")
		if !reflect.DeepEqual(first, b.Message(seq, "x", "q")) || !reflect.DeepEqual(first, a.Message(seq, "x", "q")) {
			t.Fatalf("message %d is not always the same", seq)
		}
		if !reflect.DeepEqual(first, other.Message(seq, "x", "q")) {
			differ++
		}
	}
	if differ < 250 {
		t.Errorf("another seed changes %d of 500 messages only", differ)
	}
}

func TestMixFollowsItsWeights(t *testing.T) {
	const n = 20_000
	m := mixture(t, 1, several...)
	count := map[string]int{}
	var waits []float64
	for seq := range uint64(n) {
		count[m.Task(seq)]++
		crashes, forEver := m.Crashes(seq)
		if crashes {
			count["crashing"]++
		}
		if crashes != forEver || crashes && m.Task(seq) != "crash" {
			t.Fatalf("message %d of task %s crashes %v, for ever %v", seq, m.Task(seq), crashes, forEver)
		}
		if m.Task(seq) == "io" && seq < 4000 {
			_, kw := kwargs(t, m.Message(seq, "id", "q"))
			var us float64
			if err := json.Unmarshal(kw["us"], &us); err != nil {
				t.Fatal(err)
			}
			waits = append(waits, us/1000)
		}
	}
	for task, share := range map[string]float64{"io": 0.5, "cpu": 0.3, "crash": 0.2, "crashing": 0.05} {
		sigma := math.Sqrt(n * share * (1 - share))
		if got := float64(count[task]); math.Abs(got-n*share) > 4*sigma {
			t.Errorf("%s: %v of %d, want %v", task, got, n, n*share)
		}
	}
	slices.Sort(waits)
	if p50 := waits[len(waits)/2]; math.Abs(p50-20) > 2 {
		t.Errorf("median wait is %v ms, want 20", p50)
	}
	if p99 := waits[len(waits)*99/100]; p99 < 140 || p99 > 280 {
		t.Errorf("p99 of the waits is %v ms, want 200", p99)
	}
}

func TestMessagesSayWhatTheTasksNeed(t *testing.T) {
	always := scenario.Dist{Kind: "constant", P50: 1500 * time.Microsecond}
	for _, c := range []struct {
		mix  scenario.TaskMix
		want string
	}{
		{scenario.TaskMix{Task: "noop", Weight: 1}, `{}`},
		{scenario.TaskMix{Task: "noop", Weight: 1, Payload: 3}, `{"pad": "abc"}`},
		{scenario.TaskMix{Task: "cpu", Weight: 1, Work: 5}, `{"work": 5}`},
		{scenario.TaskMix{Task: "cpu", Weight: 1, Duration: always}, `{"cpu_us": 1500, "per_ms": 123456}`},
		{scenario.TaskMix{Task: "io", Weight: 1, Duration: always, Via: "sleep"}, `{"us": 1500}`},
		{scenario.TaskMix{Task: "io", Weight: 1, Duration: always, Via: "http", Payload: 1}, `{"us": 1500, "url": "http://127.0.0.1:1/", "pad": "a"}`},
		{scenario.TaskMix{Task: "leak", Weight: 1, Keep: 4096}, `{"keep": 4096}`},
		{scenario.TaskMix{Task: "fail", Weight: 1, Fails: 2}, `{"fails": 2}`},
		{scenario.TaskMix{Task: "crash", Weight: 1}, `{"crash": true}`},
		{scenario.TaskMix{Task: "stubborn", Weight: 1, Duration: always}, `{"us": 1500}`},
		{scenario.TaskMix{Task: "blocker", Weight: 1, Duration: always}, `{"us": 1500}`},
		{scenario.TaskMix{Task: "bulky", Weight: 1, Result: 4096}, `{"result": 4096}`},
		{scenario.TaskMix{Task: "crash", Weight: 1, Until: 3}, `{"crash": true, "until": 3, "marks": "/marks"}`},
	} {
		m := mixture(t, 1, c.mix).Message(3, "the-id", "the-queue")
		var want, got map[string]any
		name, kw := kwargs(t, m)
		raw, err := json.Marshal(kw)
		if err != nil {
			t.Fatal(err)
		}
		if err := errorOf(json.Unmarshal(raw, &got), json.Unmarshal([]byte(c.want), &want)); err != nil {
			t.Fatal(err)
		}
		if len(want)+len(got) > 0 && !reflect.DeepEqual(got, want) || name != "bench."+c.mix.Task {
			t.Errorf("%+v: %s with %s, want %s", c.mix, name, raw, c.want)
		}
		plain, err := message.New(name, "the-id", nil, nil, message.Options{Queue: "the-queue"})
		if err != nil {
			t.Fatal(err)
		}
		plain.Body, m.Body = nil, nil
		if !reflect.DeepEqual(m, plain) {
			t.Errorf("around the body the message is\n%+v\nand would be\n%+v", m, plain)
		}
	}
}

func errorOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestPayloadIsAsLargeAsItIsToBe(t *testing.T) {
	for _, n := range []int{1, 36, 37, 1 << 20} {
		_, kw := kwargs(t, mixture(t, 1, scenario.TaskMix{Task: "noop", Weight: 1, Payload: n}).Message(0, "id", "q"))
		if got := len(kw["pad"]) - 2; got != n {
			t.Errorf("payload of %d bytes has %d", n, got)
		}
	}
}

func TestMixNeedsItsEnvironment(t *testing.T) {
	second := scenario.Dist{Kind: "constant", P50: time.Second}
	_, err := NewMix(scenario.Workload{Tasks: []scenario.TaskMix{
		{Task: "cpu", Weight: 1, Duration: second}, {Task: "io", Weight: 1, Via: "http", Duration: second}, {Task: "crash", Weight: 1, Until: 1},
	}}, 1, Env{})
	if joined, ok := err.(interface{ Unwrap() []error }); !ok || len(joined.Unwrap()) != 3 {
		t.Errorf("got %v, want three mistakes", err)
	}
	if _, err := NewMix(scenario.Workload{}, 1, env); err == nil {
		t.Error("an empty workload was mixed")
	}
}

func BenchmarkMessage(b *testing.B) {
	m := mixture(b, 1, several...)
	b.ReportAllocs()
	for seq := uint64(0); b.Loop(); seq++ {
		_ = m.Message(seq, "00000000-0000-8000-8000-000000000000", "celery")
	}
}

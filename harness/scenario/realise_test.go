package scenario

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

const restless = `
name: restless
asks: What survives an hour of everything?
workload: {tasks: [{task: noop}]}
load: {rate: 10/s, for: 2m}
system: {workers: 3}
faults:
  - {every: 40s, fault: latency, for: 2s, delay: 30ms}
  - {at: 5s, every: 20s, until: 50s, fault: kill-child}
  - {at: 7s, fault: kill, node: worker}
chaos:
  mtbf: 4s
  faults:
    - {fault: kill, node: broker, for: 3s}
    - {fault: kill, node: worker, weight: 3, for: {dist: uniform, min: 500ms, max: 4s}}
    - {fault: latency, weight: 2, for: {dist: exponential, mean: 2s}, delay: 70ms}
    - {fault: kill-child}
`

func realised(t *testing.T, text string, seed uint64) Scenario {
	t.Helper()
	s, err := Parse("f", []byte(text), known, Full)
	if err != nil {
		t.Fatal(err)
	}
	if s, err = Realise(s, seed); err != nil {
		t.Fatal(err)
	}
	return s
}

func spell(lines []Fault) string {
	var b strings.Builder
	for _, f := range lines {
		fmt.Fprintf(&b, "%3d %8s %-10s %-6s %7s %v\n", f.Number, FormatDuration(f.At), f.Fault, f.Node, FormatDuration(f.For), f.Params)
	}
	return b.String()
}

// What a seed gives must not change from one build to the next: it is the one thing that repeats a run.
func TestRealisedScheduleOfASeed(t *testing.T) {
	got := spell(realised(t, restless, 7).Faults)
	path := filepath.Join("testdata", "restless.txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := string(readFile(t, "restless.txt")); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if again := spell(realised(t, restless, 7).Faults); again != got {
		t.Errorf("the same seed gave another schedule:\n%s", again)
	}
	if other := spell(realised(t, restless, 8).Faults); other == got {
		t.Error("another seed gave the same schedule")
	}
	own := strings.Replace(restless, "  mtbf", "  seed: 7\n  mtbf", 1)
	if pinned := spell(realised(t, own, 8).Faults); pinned != got {
		t.Errorf("chaos with a seed of its own took the run's:\n%s", pinned)
	}
}

// Whatever the seed, the lines obey the rules by which a schedule is judged, what was certain is among them, they leave
// room to recover, and they are read back as they were.
func TestRealisedSchedulesAreValid(t *testing.T) {
	for seed := range uint64(25) {
		s := realised(t, restless, seed)
		roundTrip(t, s)
		if again, err := Realise(s, seed+1); err != nil || !reflect.DeepEqual(again, s) {
			t.Fatalf("seed %d: realised twice it is\n%s, %v", seed, spell(again.Faults), err)
		}
		certain := 0
		for i, f := range s.Faults {
			if f.Number != i+1 {
				t.Fatalf("seed %d: fault %d has number %d", seed, i+1, f.Number)
			}
			if f.At == 7*time.Second && f.Fault == "kill" || f.At == 40*time.Second && f.Fault == "latency" ||
				f.At == 80*time.Second && f.Fault == "latency" || slices.Contains([]time.Duration{5e9, 25e9, 45e9}, f.At) {
				certain++
			}
			hurt := 0
			for _, g := range s.Faults[:i] {
				if g.Node == f.Node && f.meets(g, defaultRest) {
					hurt++
				}
			}
			// The lines that are certain do not wait for each other: two workers at 5 s and 7 s.
			if most := map[string]int{"broker": 0, "worker": 1}[f.Node]; hurt > most {
				t.Errorf("seed %d: fault %d at %v begins while %d others hurt, or less than %v after them:\n%s",
					seed, f.Number, f.At, hurt, defaultRest, spell(s.Faults))
			}
		}
		if certain < 6 {
			t.Errorf("seed %d: %d of 6 certain faults are there:\n%s", seed, certain, spell(s.Faults))
		}
		if n := len(s.Faults); n < 15 || n > 60 {
			t.Errorf("seed %d: %d faults in 2m with a mean of 4s between them", seed, n)
		}
	}
}

// A run that would break nothing is refused before it starts.
func TestChaosThatDrawsNothing(t *testing.T) {
	s, err := Parse("f", []byte(strings.NewReplacer("mtbf: 4s", "mtbf: 9h", "2m", "1m").Replace(restless)), known, Full)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Realise(s, 3); err == nil || !strings.Contains(err.Error(), "seed 3") {
		t.Errorf("%v, %s", err, spell(got.Faults))
	}
}

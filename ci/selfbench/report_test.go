package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/worker/beat"
)

// planned is a section that yields what it is told to.
func planned(name string, err error, lines ...line) section {
	return section{name, func(context.Context, settings) ([]line, error) { return lines, err }}
}

var (
	met     = line{"wait", "1ms", "below 3ms", true}
	missed  = line{"wait", "9ms", "below 3ms", false}
	figure  = line{"rate", "7/s", "", false} // has no goal to miss
	trouble = errors.New("no such server")
)

// What was missed or could not be measured is told by the outcome, and what comes after it is measured all the same.
func TestOutcome(t *testing.T) {
	for _, c := range []struct {
		name   string
		first  section
		wanted []string
		well   bool
		say    string
	}{
		{"all met", planned("first", nil, met, figure), []string{"first", "last"}, true, ""},
		{"one missed", planned("first", nil, met, missed), []string{"first", "last"}, false, "goals missed: 1;"},
		{"not measured", planned("first", trouble, met), []string{"first", "last"}, false, "first: no such server"},
		{"missed and not wanted", planned("first", trouble, missed), []string{"last"}, true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out, talk strings.Builder
			well := measure(t.Context(), []section{c.first, planned("last", nil, met)}, c.wanted, settings{}, &out, &talk)
			if well != c.well || !strings.Contains(talk.String(), c.say) || c.say == "" && talk.Len() > 0 {
				t.Errorf("well %t, says %q", well, talk.String())
			}
			if !strings.Contains(out.String(), "\nLAST\n  wait  1ms  below 3ms  met\n") || strings.Contains(out.String(), "FIRST") != slices.Contains(c.wanted, "first") {
				t.Errorf("prints\n%s", out.String())
			}
		})
	}
}

func TestMarks(t *testing.T) {
	for l, want := range map[line]string{met: "met", missed: "missed", figure: ""} {
		if l.mark() != want || l.missed() != (want == "missed") {
			t.Errorf("%+v: %q, missed %t", l, l.mark(), l.missed())
		}
	}
}

// The command's exit status says what the measurement says.
func TestExitStatus(t *testing.T) {
	if name := os.Getenv("SELFBENCH_TEST_SECTION"); name != "" {
		sections = []section{planned("met", nil, met), planned("missed", nil, missed), planned("broken", trouble)}
		os.Args = []string{"selfbench", "-only", name}
		main()
		os.Exit(0)
	}
	for name, want := range map[string]int{"met": 0, "missed": 1, "broken": 1, "nonesuch": 2} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestExitStatus$")
		cmd.Env = append(os.Environ(), "SELFBENCH_TEST_SECTION="+name)
		out, err := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Errorf("section %s: exit status %d (%v), want %d\n%s", name, got, err, want, out)
		}
	}
}

// What is asked of a worker beside the bare client depends on the broker and the pool.
func TestWhatIsAskedOfAWorker(t *testing.T) {
	for _, c := range []struct {
		broker, pool string
		ratio        float64
		goal, mark   string
	}{
		{"redis", "goroutine", 0.8, "at least 0.8", "met"},
		{"redis", "goroutine", 0.79, "at least 0.8", "missed"},
		{"rabbitmq", "prefork", 0.5, "at least 0.5", "met"},
		{"rabbitmq", "prefork", 0.49, "at least 0.5", "missed"},
		{"postgres", "goroutine", 0.7, "at least 0.7", "met"},
		{"nats", "goroutine", 0.69, "at least 0.7", "missed"},
		{"memory", "goroutine", 0.1, "", ""},
	} {
		if l := against("", c.broker, c.pool, c.ratio); l.goal != c.goal || l.mark() != c.mark || !strings.Contains(l.what, c.pool) {
			t.Errorf("%s, %s, %v: %+v", c.broker, c.pool, c.ratio, l)
		}
	}
	if got := pools("redis"); !slices.Equal(got, []string{"goroutine", "prefork"}) || !slices.Equal(got, pools("rabbitmq")) || len(pools("nats")) != 1 {
		t.Errorf("on redis %q, on rabbitmq %q, on nats %q are measured", got, pools("rabbitmq"), pools("nats"))
	}
}

// A goal is that of the server that really runs.
func TestGoalOfAStandIn(t *testing.T) {
	i := slices.IndexFunc(paces, func(p pace) bool { return p.broker == "couchdb:lease" })
	if own, other := paces[i].below("couchdb 3.4.2"), paces[i].below("couchdb PouchDB Server 4.2.0"); own != 10*time.Millisecond || other != 60*time.Millisecond {
		t.Errorf("on CouchDB below %v, on PouchDB Server below %v", own, other)
	}
}

func TestQuantile(t *testing.T) {
	times := []time.Duration{9, 1, 5, 7, 3}
	if m, most := quantile(times, 0.5), quantile(times, 1); m != 5 || most != 9 {
		t.Errorf("of %d the median is %d and the largest %d", times, m, most)
	}
}

// deliveries is a consumer that hands out what it was given, and ends.
type deliveries chan brokers.Delivery

func (d deliveries) Deliveries() <-chan brokers.Delivery { return d }
func (deliveries) SetPrefetch(int) error                 { return nil }
func (deliveries) Err() error                            { return nil }

type tick struct {
	brokers.Delivery
	due   string
	acked *int
}

func (t tick) Message() brokers.Message {
	return brokers.Message{Headers: map[string]any{beat.ScheduledHeader: t.due}}
}

func (t tick) Ack(context.Context) error { *t.acked++; return nil }

// Each tick's drift is its own: from when it says that it was due. What was due before is settled and not counted.
func TestDrift(t *testing.T) {
	acked := 0
	c := make(deliveries, 3)
	for _, due := range []time.Duration{time.Minute, 3 * time.Second, 2 * time.Second} {
		c <- tick{due: time.Now().Add(-due).UTC().Format(time.RFC3339Nano), acked: &acked}
	}
	close(c)
	got := take(t.Context(), c, time.Now().Add(-30*time.Second))
	if got.err != nil || len(got.drifts) != 2 || got.drifts[0] < 3*time.Second || got.drifts[0]-got.drifts[1] < 900*time.Millisecond || acked != 3 {
		t.Errorf("%+v, %d settled", got, acked)
	}
	c = make(deliveries, 1)
	c <- tick{acked: &acked}
	close(c)
	if got := take(t.Context(), c, time.Time{}); got.err == nil {
		t.Error("a tick that does not say when it was due was taken")
	}
}

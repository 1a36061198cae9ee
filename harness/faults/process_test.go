package faults

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"taskbench/harness/lab"
	"taskbench/harness/lab/labtest"
	"taskbench/harness/lab/leftovers"
	"taskbench/harness/lab/process"
)

func TestMain(m *testing.M) {
	labtest.Main()
	os.Exit(m.Run())
}

// fakeNode is a fake server as a process of its own, and a target that has nothing else.
func fakeNode(t *testing.T) Target {
	t.Helper()
	r, err := leftovers.Open(t.TempDir(), "test")
	if err != nil {
		t.Fatal(err)
	}
	d := labtest.Driver()
	v, err := d.Variant(labtest.Plain)
	if err != nil {
		t.Fatal(err)
	}
	n, err := process.New(process.Options{Register: r, Grace: 10 * time.Second}).Start(t.Context(), lab.Request{
		Driver: d, Variant: v, Name: "broker", LogPath: filepath.Join(t.TempDir(), "broker.log"), Patience: 20 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return Target{Broker: n, Driver: d, Via: n.Info().URL, Rand: rand.New(rand.NewPCG(1, 1))}
}

// apply injects a fault and heals it, with something done while it is in force.
func apply(t *testing.T, target Target, name string, written map[string]string, during func()) (Effect, string) {
	t.Helper()
	f, err := Find(name, "broker")
	if err != nil {
		t.Fatal(err)
	}
	a, err := f.Args(time.Second, written)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	e, err := f.Inject(ctx, target, a)
	if err != nil || e.Proof == "" {
		t.Fatalf("%s: injected with %q, %v", name, e.Proof, err)
	}
	if during != nil {
		during()
	}
	proof, err := e.Heal(ctx)
	if err != nil || proof == "" {
		t.Fatalf("%s: healed with %q, %v", name, proof, err)
	}
	t.Logf("%s: %s; %s", name, e.Proof, proof)
	return e, proof
}

func ask(t *testing.T, target Target, line string) string {
	t.Helper()
	answer, err := labtest.Ask(t.Context(), labtest.Host(target.Broker.Info().URL), line)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestBrokerFaultsOnAProcess(t *testing.T) {
	target := fakeNode(t)
	ask(t, target, "put kept")
	before := target.Broker.Info().PID
	pids := map[int]bool{before: true}
	apply(t, target, "restart", nil, nil)
	pids[target.Broker.Info().PID] = true
	if len(pids) != 2 || ask(t, target, "get") != "kept" {
		t.Errorf("after the restart: processes %v, data %q", pids, ask(t, target, "get"))
	}
	for _, name := range []string{"stop", "kill"} {
		last := target.Broker.Info().PID
		e, proof := apply(t, target, name, nil, func() {
			if err := syscall.Kill(last, 0); !errors.Is(err, syscall.ESRCH) {
				t.Errorf("%s: process %d is there: %v", name, last, err)
			}
			if _, err := labtest.Ask(t.Context(), labtest.Host(target.Broker.Info().URL), "version"); err == nil {
				t.Errorf("%s: the server answers", name)
			}
		})
		if !strings.HasPrefix(e.Proof, "process gone; a client of its own is refused") || !strings.Contains(proof, "answers its protocol again") {
			t.Errorf("%s: %s; %s", name, e.Proof, proof)
		}
		if now := target.Broker.Info().PID; now == last || ask(t, target, "get") != "kept" {
			t.Errorf("after the %s: process %d, data %q", name, now, ask(t, target, "get"))
		}
	}
	_, proof := apply(t, target, "crash-loop", map[string]string{"times": "3", "every": "10ms"}, nil)
	if !strings.HasPrefix(proof, "died 3 times") || ask(t, target, "get") != "kept" {
		t.Errorf("crash-loop: %s; data %q", proof, ask(t, target, "get"))
	}
	apply(t, target, "wipe", nil, nil)
	if got := ask(t, target, "get"); got == "kept" {
		t.Error("the data survived the wipe")
	}
}

// A crash loop whose run is cancelled stops with it, and its healing still brings the server up.
func TestCrashLoopEndsWithTheRun(t *testing.T) {
	target := fakeNode(t)
	f, err := Find("crash-loop", "broker")
	if err != nil {
		t.Fatal(err)
	}
	a, err := f.Args(0, map[string]string{"times": "1000000", "every": "1h"})
	if err != nil {
		t.Fatal(err)
	}
	run, cut := context.WithCancel(t.Context())
	e, err := f.Inject(run, target, a)
	if err != nil {
		t.Fatal(err)
	}
	cut()
	healing, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if proof, err := e.Heal(healing); err != nil || !strings.Contains(proof, "answers") {
		t.Errorf("healed with %q, %v", proof, err)
	}
	ask(t, target, "version")
}

// tough is a node that is killed once and no more.
type tough struct {
	lab.Node
	kills int
}

func (n *tough) Do(ctx context.Context, a lab.Action) error {
	if a == lab.Kill {
		if n.kills++; n.kills > 1 {
			return errors.New("it clings to life")
		}
	}
	return n.Node.Do(ctx, a)
}

// What ended a crash loop early is told, also where the server then runs and so cannot be started.
func TestCrashLoopTellsWhyItEnded(t *testing.T) {
	target := fakeNode(t)
	target.Broker = &tough{Node: target.Broker}
	f, err := Find("crash-loop", "broker")
	if err != nil {
		t.Fatal(err)
	}
	a, err := f.Args(0, map[string]string{"times": "3", "every": "10ms"})
	if err != nil {
		t.Fatal(err)
	}
	e, err := f.Inject(t.Context(), target, a)
	if err != nil {
		t.Fatal(err)
	}
	healing, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if proof, err := e.Heal(healing); err == nil || !strings.Contains(err.Error(), "died 1 times of 3: it clings to life") {
		t.Errorf("healed with %q, %v", proof, err)
	}
}

// The throttling of a process by turns is measured, and one that has no effect is said to have had none.
func TestCPUStarve(t *testing.T) {
	target := fakeNode(t)
	// Each exchange burns: a fake that does nothing leaves nothing to take away.
	target.Driver.Server.Ready = func(ctx context.Context, url string) (string, error) {
		return labtest.Ask(ctx, labtest.Host(url), "burn")
	}
	apply(t, target, "cpu-starve", map[string]string{"share": "10%"}, nil)

	f, err := Find("cpu-starve", "broker")
	if err != nil {
		t.Fatal(err)
	}
	a, err := f.Args(0, map[string]string{"share": "100%"})
	if err != nil {
		t.Fatal(err)
	}
	target = fakeNode(t)                                                         // the first may still be burning
	target.Driver.Server.Ready = func(context.Context, string) (string, error) { // asks nothing of the server
		return "", context.DeadlineExceeded
	}
	if _, err := f.Inject(t.Context(), target, a); err == nil || !strings.Contains(err.Error(), "kept busy it used") {
		t.Errorf("a throttling that took nothing away: %v", err)
	}
}

// What the kernel does not end, or the lab cannot do, is said to have had no effect, and leaves the server up.
func TestFaultThatTheLabCannotDoIsTakenBack(t *testing.T) {
	target := fakeNode(t)
	f, err := Find("oom", "broker")
	if err != nil {
		t.Fatal(err)
	}
	if why := f.Unfit(Setting{Lab: "process"}); !strings.Contains(why, "lab docker") {
		t.Errorf("unfit: %q", why)
	}
	if _, err := f.Inject(t.Context(), target, Args{}); err == nil || !strings.Contains(err.Error(), "no limit of memory") {
		t.Errorf("error %v", err)
	}
	ask(t, target, "version")
}

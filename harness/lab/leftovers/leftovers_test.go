package leftovers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"taskbench/harness/lab/proc"
)

// gone is an owner of this host that runs no more: this process's pid with another start.
func gone(t *testing.T) Owner {
	t.Helper()
	o, err := Self("gone")
	if err != nil {
		t.Fatal(err)
	}
	o.Start--
	return o
}

// plant writes a record as another owner would have.
func plant(t *testing.T, r *Register, o Owner, thing Thing) {
	t.Helper()
	rec := record{Owner: o, Thing: thing, path: filepath.Join(r.dir, strconv.FormatInt(r.serial.Add(1), 10)+"-planted.json")}
	if err := rec.write(); err != nil {
		t.Fatal(err)
	}
}

func TestInnocentsAreSpared(t *testing.T) {
	r, err := Open(t.TempDir(), "next")
	if err != nil {
		t.Fatal(err)
	}
	innocent := exec.Command("sleep", "300")
	innocent.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	foreign := gone(t)
	foreign.Host = "elsewhere/1"
	other := gone(t)
	other.UID++
	innocent.Env = append(os.Environ(), foreign.Env(false)...)
	if err := innocent.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = innocent.Process.Kill(); _ = innocent.Wait() }()
	p, err := proc.Read(innocent.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	plant(t, r, gone(t), Thing{Kind: Process, Name: "pid used again", PID: p.PID, Start: p.Start - 1})
	plant(t, r, gone(t), Thing{Kind: Process, Name: "never started"})
	plant(t, r, foreign, Thing{Kind: Process, Name: "another machine's", PID: p.PID, Start: p.Start})
	plant(t, r, foreign, Thing{Kind: Directory, Name: home})
	plant(t, r, other, Thing{Kind: Directory, Name: home})
	plant(t, r, gone(t), Thing{Kind: Process, Name: "this very process", PID: os.Getpid(), Start: r.owner.Start})
	report, err := r.Down(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !alive(p.PID) || !there(home) {
		t.Fatalf("an innocent was hit: %v", report)
	}
}

func TestOtherBootIsGone(t *testing.T) {
	self, err := Self("")
	if err != nil {
		t.Fatal(err)
	}
	before := self
	before.Boot = "an earlier one"
	if !before.gone(self) || self.gone(self) {
		t.Error("the owner of an earlier boot lives, or this process does not")
	}
}

func TestMarksAndLabelsRoundTrip(t *testing.T) {
	o, err := Self("a run, with a comma")
	if err != nil {
		t.Fatal(err)
	}
	if got := fromMark(o.mark()); got != o {
		t.Errorf("mark: %+v, want %+v", got, o)
	}
	for _, keep := range []bool{true, false} {
		if got, k := fromLabels(o.Labels(keep)); got != o || k != keep {
			t.Errorf("labels: %+v %v, want %+v %v", got, k, o, keep)
		}
	}
	for _, text := range []string{"", "1,2", "a,b,c,d,e,f"} {
		if fromMark(text).gone(o) {
			t.Errorf("the owner in %q is taken for gone", text)
		}
	}
}

func TestDirectoriesThatCannotBeRunsAreNotRemoved(t *testing.T) {
	r, err := Open(t.TempDir(), "next")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/", "relative"} {
		plant(t, r, gone(t), Thing{Kind: Directory, Name: path})
	}
	t.Chdir(t.TempDir())
	if err := os.Mkdir("relative", 0o700); err != nil {
		t.Fatal(err)
	}
	report, err := r.Sweep(t.Context())
	if err == nil || len(report.Failed) != 2 || !there("relative") {
		t.Errorf("removed %v, failed %v (%v)", report.Removed, report.Failed, err)
	}
}

func TestDefaultOwnsGroupsAndScratch(t *testing.T) {
	t.Setenv("TASKBENCH_STATE", t.TempDir())
	t.Setenv(envOwner, "") // what Own sets is undone with the test
	release, err := Own("/runs/20261122-first")
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("sleep", "300")
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Process.Kill(); _ = c.Wait() }()
	// The kernel tells of a new program's environment a moment after the program has begun.
	mark, _ := proc.Environ(c.Process.Pid, envOwner)
	for began := time.Now(); mark == "" && time.Since(began) < 10*time.Second; mark, _ = proc.Environ(c.Process.Pid, envOwner) {
		runtime.Gosched()
	}
	if fromMark(mark).Run != "20261122-first" || fromMark(mark).PID != os.Getpid() {
		t.Errorf("a child inherits the mark %q", mark)
	}
	if err := Group(c.Process.Pid); err != nil {
		t.Fatal(err)
	}
	scratch := filepath.Join(t.TempDir(), "evidence")
	forget, err := Scratch(scratch)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Scratch("evidence"); err == nil {
		t.Error("a relative path was claimed")
	}
	count := func() int {
		list, _ := filepath.Glob(filepath.Join(Dir(), "*.json"))
		return len(list)
	}
	if n := count(); n != 2 {
		t.Errorf("%d claims, not 2", n)
	}
	if release(); count() != 1 {
		t.Errorf("%d claims after the release, not the living group's alone", count())
	}
	if err := forget(); err != nil {
		t.Errorf("forgetting what is forgotten: %v", err)
	}
	if err := os.Mkdir(scratch, 0o700); err != nil {
		t.Fatal(err)
	}
	_ = c.Process.Kill()
	_ = c.Wait()
	if release(); count() != 0 {
		t.Errorf("%d claims after the group's end", count())
	}
}

func TestInterruptedSweepSaysSo(t *testing.T) {
	r, err := Open(t.TempDir(), "next")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Sweep(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("swept: %v", err)
	}
}

func TestSweepIsQuick(t *testing.T) {
	r, err := Open(t.TempDir(), "next")
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	report, err := r.Sweep(t.Context())
	if err != nil || time.Since(began) > 3*time.Second {
		t.Errorf("an empty sweep took %v: %s (%v)", time.Since(began), strings.TrimSpace(fmt.Sprint(report)), err)
	}
	t.Logf("an empty sweep takes %v", time.Since(began))
}

// What is kept is taken down with the state directory that it was started with alone, also where it is found by its mark.
func TestKeptWithAnotherStateStays(t *testing.T) {
	r, err := Open(t.TempDir(), "next")
	if err != nil {
		t.Fatal(err)
	}
	for state, want := range map[string]bool{r.owner.State: true, "": false, filepath.Join(r.dir, "other"): false} {
		owner := gone(t)
		owner.State, owner.Run = state, filepath.Base(t.TempDir()) // a name of its own
		kept := exec.Command("sleep", "300")
		kept.Env = append(os.Environ(), owner.Env(true)...)
		if err := kept.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = kept.Process.Kill(); _ = kept.Wait() }()
		if swept, err := r.Sweep(t.Context()); err != nil || len(of(owner.Run, swept.Removed)) > 0 {
			t.Errorf("state directory %q: a sweep removed what is kept: %v, %v", state, swept.Removed, err)
		}
		// The process comes from this one, and is spared in the end: the report tells what would be.
		report, err := r.Down(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if removed := len(of(owner.Run, report.Removed)) > 0; removed != want {
			t.Errorf("state directory %q: removed %t, want %t", state, removed, want)
		}
	}
}

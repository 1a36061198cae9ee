package proc

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"
)

func TestParseTakesAnyName(t *testing.T) {
	line := "77 (a) R (b c)) T 5 6 7 0 -1 4194560 1 2 3 4 150 50 25 75 20 0 9 0 4242 1000 3 18446744073709551615"
	p, err := parse(77, []byte(line))
	want := Process{PID: 77, PPID: 5, Group: 6, State: 'T', Start: 4242, CPUSeconds: 3, RSS: 3 * int64(os.Getpagesize())}
	if err != nil || p != want {
		t.Errorf("got %+v (%v), want %+v", p, err, want)
	}
	if _, err := parse(1, []byte("1 (x) R 1")); err == nil {
		t.Error("a line that was cut short was taken")
	}
}

func TestReadsItself(t *testing.T) {
	me, err := Read(os.Getpid())
	if err != nil || me.PPID != os.Getppid() || me.RSS < 1<<20 || me.Gone() {
		t.Errorf("this process reads as %+v (%v)", me, err)
	}
	if !Alive(me.PID, me.Start) || Alive(me.PID, me.Start+1) {
		t.Error("the start time does not tell processes apart")
	}
	if _, err := Read(1 << 30); !errors.Is(err, ErrGone) {
		t.Errorf("an impossible process: %v", err)
	}
	if Boot() == "" {
		t.Error("no boot id")
	}
}

// A child in a group of its own with a grandchild that left the group.
func TestFamilyTakesDescendantsAndGroup(t *testing.T) {
	cmd := exec.Command("sh", "-c", "setsid sleep 300 & sleep 300 & wait")
	cmd.Env = append(os.Environ(), "PROC_TEST=planted")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	family := func() []Process {
		all, err := All()
		if err != nil {
			t.Fatal(err)
		}
		return Family(all, cmd.Process.Pid)
	}
	t.Cleanup(func() {
		for _, p := range family() {
			_ = syscall.Kill(p.PID, syscall.SIGKILL)
		}
		_ = cmd.Wait()
	})
	await(t, "the family is three, one of them in a group of its own", func() bool {
		ps := family()
		return len(ps) == 3 && slices.ContainsFunc(ps, func(p Process) bool { return p.Group != cmd.Process.Pid })
	})
	for _, p := range family() {
		if v, ok := Environ(p.PID, "PROC_TEST"); !ok || v != "planted" {
			t.Errorf("process %d has PROC_TEST=%q, %v", p.PID, v, ok)
		}
	}
	if slices.ContainsFunc(family(), func(p Process) bool { return p.PID == os.Getpid() }) {
		t.Error("the parent is in the family")
	}
}

func TestCountsFilesAndConnections(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	port := ln.Addr().(*net.TCPAddr).Port
	before, err := FDs(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		s, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
	}
	if n, err := Conns(os.Getpid(), port); err != nil || n != 3 {
		t.Errorf("%d connections (%v), not 3", n, err)
	}
	if after, err := FDs(os.Getpid()); err != nil || after < before+6 {
		t.Errorf("%d files (%v), before %d: 6 more were opened", after, err, before)
	}
}

// Of several processes the one that has a connection open is found, by both of its ends.
func TestHolderOfAConnection(t *testing.T) {
	other := exec.Command("sleep", "300")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = other.Process.Kill()
		_ = other.Wait()
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	from, to := c.LocalAddr().(*net.TCPAddr).Port, ln.Addr().(*net.TCPAddr).Port
	for _, want := range []struct {
		pids           []int
		from, to, held int
	}{
		{[]int{other.Process.Pid, os.Getpid()}, from, to, os.Getpid()},
		{[]int{1 << 30, os.Getpid()}, from, to, os.Getpid()}, // the first has gone
		{[]int{other.Process.Pid}, from, to, 0},
		{[]int{os.Getpid()}, from, to + 1, 0},
		{nil, from, to, 0},
	} {
		if pid, err := Holder(want.pids, want.from, want.to); err != nil || pid != want.held {
			t.Errorf("%+v: process %d, %v", want, pid, err)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if pid, err := Holder([]int{os.Getpid()}, from, to); err != nil || pid != 0 {
		t.Errorf("a connection that was closed is process %d's, %v", pid, err)
	}
}

func await(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

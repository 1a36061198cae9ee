package leftovers

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"taskbench/harness/lab/engine"
	"taskbench/harness/lab/images"
	"taskbench/harness/lab/proc"
)

// The test binary is also the run that gets killed: it starts a group, a process that leaves the group, a
// directory and a container, some of them to be kept, says what they are, and waits for its death.
const (
	envState = "LEFTOVERS_STATE"
	envImage = "LEFTOVERS_IMAGE" // "" without an engine
)

// started is what the doomed run says.
type started struct {
	Group, Stray, Kept int // pids
	Dir, KeptDir       string
	Container, KeptOne string // ids
	Network, KeptNet   string
}

func TestMain(m *testing.M) {
	if state := os.Getenv(envState); state != "" {
		if err := doom(state, os.Getenv(envImage)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		select {}
	}
	os.Exit(m.Run())
}

func doom(state, image string) error {
	r, err := Open(state, "doomed")
	if err != nil {
		return err
	}
	run := func(keep bool, args ...string) (int, error) {
		claim, err := r.Claim(Thing{Kind: Process, Name: args[len(args)-1], Keep: keep})
		if err != nil {
			return 0, err
		}
		c := exec.Command(args[0], args[1:]...)
		c.Env = append(os.Environ(), r.Owner().Env(keep)...)
		c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := c.Start(); err != nil {
			return 0, err
		}
		go func() { _ = c.Wait() }()
		return c.Process.Pid, claim.Started(c.Process.Pid)
	}
	var s started
	if s.Group, err = run(false, "sh", "-c", "sleep 300 & sleep 300 & wait"); err != nil {
		return err
	}
	if s.Kept, err = run(true, "sleep", "301"); err != nil {
		return err
	}
	stray := exec.Command("setsid", "sleep", "302") // unrecorded: found by its mark alone
	stray.Env = append(os.Environ(), r.Owner().Env(false)...)
	if err := stray.Start(); err != nil {
		return err
	}
	s.Stray = stray.Process.Pid
	if s.Dir, _, err = r.MkdirTemp("doomed", false); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.Dir, "data"), []byte("x"), 0o600); err != nil {
		return err
	}
	if s.KeptDir, _, err = r.MkdirTemp("kept", true); err != nil {
		return err
	}
	if image != "" {
		if s.Container, err = contain(r, image, false); err != nil {
			return err
		}
		if s.KeptOne, err = contain(r, image, true); err != nil {
			return err
		}
		if s.Network, err = connect(r, s.Container, false); err != nil {
			return err
		}
		if s.KeptNet, err = connect(r, s.KeptOne, true); err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(s)
}

func contain(r *Register, image string, keep bool) (string, error) {
	name := fmt.Sprintf("taskbench-leftovers-%d-%v", os.Getpid(), keep)
	if _, err := r.Claim(Thing{Kind: Container, Name: name, Keep: keep}); err != nil {
		return "", err
	}
	c, err := engine.Connect(context.Background())
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	made, err := c.ContainerCreate(context.Background(), client.ContainerCreateOptions{
		Name:   name,
		Config: &container.Config{Image: image, Cmd: []string{"sleep", "300"}, Labels: r.Owner().Labels(keep)},
	})
	if err != nil {
		return "", err
	}
	_, err = c.ContainerStart(context.Background(), made.ID, client.ContainerStartOptions{})
	return made.ID, err
}

// connect makes a network with a container on it: it cannot be removed before that.
func connect(r *Register, on string, keep bool) (string, error) {
	name := fmt.Sprintf("taskbench-leftovers-net-%d-%v", os.Getpid(), keep)
	if _, err := r.Claim(Thing{Kind: Network, Name: name, Keep: keep}); err != nil {
		return "", err
	}
	c, err := engine.Connect(context.Background())
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	made, err := c.NetworkCreate(context.Background(), name, client.NetworkCreateOptions{Internal: true, Labels: r.Owner().Labels(keep)})
	if err != nil {
		return "", err
	}
	_, err = c.NetworkConnect(context.Background(), made.ID, client.NetworkConnectOptions{Container: on})
	return made.ID, err
}

func alive(pid int) bool {
	p, err := proc.Read(pid)
	return err == nil && !p.Gone()
}

func there(path string) bool { _, err := os.Lstat(path); return err == nil }

func TestRunThatWasKilled(t *testing.T) {
	state, tmp := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", tmp)
	var docker *client.Client
	image := ""
	c, err := engine.Connect(t.Context())
	switch {
	case err == nil:
		docker, image = c, images.Base
		defer func() { _ = docker.Close() }()
		if _, err := images.Build(t.Context(), images.Options{Only: []string{"redis"}}); err != nil {
			t.Fatal(err)
		}
	case !errors.Is(err, engine.ErrAbsent) || os.Getenv("BENCH_LAB") == "docker":
		t.Fatal(err)
	default:
		t.Log("without a container: no container engine answers")
	}
	running := func(id string) bool {
		if docker == nil {
			return false
		}
		i, err := docker.ContainerInspect(t.Context(), id, client.ContainerInspectOptions{})
		return err == nil && i.Container.State.Running
	}

	joined := func(id string) bool {
		if docker == nil {
			return false
		}
		_, err := docker.NetworkInspect(t.Context(), id, client.NetworkInspectOptions{})
		return err == nil
	}

	run := exec.Command(os.Args[0], "-test.run=^$")
	run.Env = append(os.Environ(), envState+"="+state, envImage+"="+image)
	run.Stderr = os.Stderr
	out, err := run.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	var s started
	line, err := bufio.NewReader(out).ReadString('\n')
	if err == nil {
		err = json.Unmarshal([]byte(line), &s)
	}
	if err != nil {
		t.Fatal(err)
	}
	r, err := Open(state, "next")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = r.Down(context.Background()) })

	// While the run lives, nothing of it is touched.
	report, err := r.Sweep(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range slices.Concat(report.Removed, report.Kept) {
		if i.Owner.Run == "doomed" {
			t.Errorf("swept from under a living run: %v", i)
		}
	}
	if !alive(s.Group) || !alive(s.Stray) || !there(s.Dir) || (docker != nil && (!running(s.Container) || !joined(s.Network))) {
		t.Fatal("something of a living run is gone")
	}

	if err := run.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = run.Wait()
	children, err := proc.All()
	if err != nil {
		t.Fatal(err)
	}
	group := proc.Family(children, s.Group)
	if len(group) != 3 {
		t.Fatalf("the group has %d processes, not 3", len(group))
	}

	report, err = r.Sweep(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range group {
		if alive(p.PID) {
			t.Errorf("process %d of the group outlived the sweep", p.PID)
		}
	}
	if alive(s.Stray) || there(s.Dir) || running(s.Container) || joined(s.Network) {
		t.Errorf("left after the sweep: stray %v, directory %v, container %v, network %v", alive(s.Stray), there(s.Dir), running(s.Container), joined(s.Network))
	}
	if !alive(s.Kept) || !there(s.KeptDir) || (docker != nil && (!running(s.KeptOne) || !joined(s.KeptNet))) {
		t.Errorf("what was to be kept is gone: process %v, directory %v, container %v, network %v", alive(s.Kept), there(s.KeptDir), running(s.KeptOne), joined(s.KeptNet))
	}
	want := 2
	if docker != nil {
		want = 4
	}
	if kept := of("doomed", report.Kept); len(kept) != want {
		t.Errorf("kept %v, want %d items", kept, want)
	}
	// What is found by its mark, the stray and the container, may have been taken by the sweep of another run on this
	// machine; what is recorded here is ours to remove.
	removed := of("doomed", report.Removed)
	if len(removed) > want+1 {
		t.Errorf("removed %v, want %d items at most", removed, want+1)
	}
	for _, part := range []string{"sleep 300 & sleep 300", s.Dir} {
		if !slices.ContainsFunc(removed, func(item string) bool { return strings.Contains(item, part) }) {
			t.Errorf("removed %v, with no %s", removed, part)
		}
	}

	if _, err := r.Down(t.Context()); err != nil {
		t.Fatal(err)
	}
	if alive(s.Kept) || there(s.KeptDir) || running(s.KeptOne) || joined(s.KeptNet) {
		t.Error("down left what was kept")
	}
	if left, _ := filepath.Glob(filepath.Join(state, "*.json")); len(left) > 0 {
		t.Errorf("records left: %v", left)
	}
}

func of(run string, items []Item) (list []string) {
	for _, i := range items {
		if i.Owner.Run == run {
			list = append(list, i.String())
		}
	}
	return list
}

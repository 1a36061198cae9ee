package process

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/servertest"
	"taskbench/harness/lab"
	"taskbench/harness/lab/labtest"
	"taskbench/harness/lab/leftovers"
	"taskbench/harness/lab/proc"
)

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// onlyPath has nothing on PATH but what the files say, scripts by their names.
func onlyPath(t *testing.T, files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
}

// A server on PATH that will do is taken, else the program that Go made, else one that it can make, where that is wanted.
func TestWhereAServerComesFrom(t *testing.T) {
	d := labtest.Made()
	const good, old = `echo "fake v1.1.3"`, `echo "fake v1.0.9"`
	for _, c := range []struct {
		name        string
		path        map[string]string
		made, wants bool // the program is there; it may be made
		unfit       string
		path1st     bool   // what is on PATH is taken
		makes       string // first
		embedded    string // why the part of the lab without PATH is unfit
	}{
		{"on PATH", map[string]string{"fake-server": good}, false, false, "", true, "", "has not been built here; name the broker"},
		{"on PATH, and made", map[string]string{"fake-server": good}, true, true, "", true, "", ""},
		{"too old", map[string]string{"fake-server": old}, false, false, "is 1.0.9, which is too old: 1.1 or newer is wanted, and fake-server v1.2.0 has not been built", false, "", "has not been built here"},
		{"too old, and made", map[string]string{"fake-server": old}, true, false, "", false, "", ""},
		{"made", nil, true, false, "", false, "", ""},
		{"nowhere", nil, false, false, "fake-server is not on PATH, and fake-server v1.2.0 has not been built here; name the broker, and Go builds it", false, "", "has not been built here"},
		{"nowhere, and no Go", nil, false, true, "fake-server is not on PATH, and fake-server v1.2.0 has not been built here, and there is no Go on PATH", false, "", "there is no Go on PATH"},
		{"to be made", map[string]string{"go": "exit 1"}, false, true, "", false, "fake-server v1.2.0", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			servertest.FakeGo(t, self(t), nil)
			if c.made {
				if _, err := d.Server.Program.Make(t.Context(), brokers.Workbench{}); err != nil {
					t.Fatal(err)
				}
			}
			onlyPath(t, c.path)
			l := New(Options{Make: c.wants}).(processes)
			if why := l.Unfit(t.Context(), d, brokers.Variant{}); (why == "") != (c.unfit == "") || !strings.Contains(why, c.unfit) {
				t.Errorf("unfit because %q, want %q", why, c.unfit)
			}
			if f := l.find(t.Context(), d.Server); f.lacks == "" && f.made == c.path1st {
				t.Errorf("found %+v", f)
			}
			if makes := l.Makes(t.Context(), d); makes != c.makes {
				t.Errorf("it would make %q, want %q", makes, c.makes)
			}
			alone := Programs("embedded", Options{Make: c.wants})
			if why := alone.Unfit(t.Context(), d, brokers.Variant{}); (why == "") != (c.embedded == "") || !strings.Contains(why, c.embedded) {
				t.Errorf("without PATH it is unfit because %q, want %q", why, c.embedded)
			}
		})
	}
}

// A program is made at the first start, and a process like all others.
func TestProgramIsAServer(t *testing.T) {
	asked := servertest.FakeGo(t, self(t), nil)
	t.Setenv("TMPDIR", t.TempDir())
	state := t.TempDir()
	r, err := leftovers.Open(state, "test")
	if err != nil {
		t.Fatal(err)
	}
	d := labtest.Made()
	for range 2 {
		n, err := New(Options{Register: r, Make: true}).Start(t.Context(), lab.Request{
			Driver: d, Variant: d.Variants[0], Name: "broker", LogPath: filepath.Join(t.TempDir(), "log"), Patience: 20 * time.Second,
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range []lab.Action{lab.Kill, lab.Start, lab.Pause, lab.Resume, lab.Stop} {
			if err := n.Do(t.Context(), a); err != nil {
				t.Errorf("%s: %v", a, err)
			}
		}
		if i := n.Info(); i.Version != labtest.Version || i.Lab != "process" || i.Shared {
			t.Errorf("info %+v", i)
		}
		if err := n.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := asked(); len(got) != 2 {
		t.Errorf("Go was told %q, not to get and to build once", got)
	}
	empty(t, state)
}

// Who is interrupted while Go builds leaves neither Go nor half a program; and while it does both are claimed, so that a
// sweep finds them after a SIGKILL.
func TestInterruptedBuild(t *testing.T) {
	const child = `sleep 300 & echo $! > child.new; mv child.new child; wait`
	servertest.FakeGo(t, self(t), map[string]string{"build": child})
	t.Setenv("TMPDIR", t.TempDir())
	state := t.TempDir()
	r, err := leftovers.Open(state, "test")
	if err != nil {
		t.Fatal(err)
	}
	d := labtest.Made()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error)
	go func() {
		_, err := New(Options{Register: r, Make: true}).Start(ctx, lab.Request{Driver: d, Variant: d.Variants[0], Name: "broker"})
		ended <- err
	}()
	at, err := d.Server.Program.Path("linux")
	if err != nil {
		t.Fatal(err)
	}
	var children []string
	await(t, "Go has a child", func() bool {
		children, _ = filepath.Glob(filepath.Join(filepath.Dir(at), "*", "child"))
		return len(children) == 1
	})
	all, err := proc.All()
	if err != nil {
		t.Fatal(err)
	}
	var builders []proc.Process
	for _, p := range all {
		if dir, _ := os.Readlink(filepath.Join("/proc", strconv.Itoa(p.PID), "cwd")); dir == filepath.Dir(children[0]) {
			builders = append(builders, p)
		}
	}
	if len(builders) != 2 {
		t.Fatalf("in %s there are %v, not a shell and its child", filepath.Dir(children[0]), builders)
	}
	claims, _ := filepath.Glob(filepath.Join(state, "*.json"))
	var said []string
	for _, path := range claims {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		said = append(said, string(text))
	}
	for _, want := range []string{`"kind":"directory","name":"` + filepath.Dir(children[0]), `"kind":"process","name":"go build"`} {
		if !strings.Contains(strings.Join(said, "\n"), want) {
			t.Errorf("nothing claims %s: %s", want, said)
		}
	}
	cancel()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "context canceled") {
		t.Errorf("it ended with %v", err)
	}
	await(t, "no process is left", func() bool {
		for _, p := range builders {
			if proc.Alive(p.PID, p.Start) {
				return false
			}
		}
		return true
	})
	if left, _ := os.ReadDir(filepath.Dir(at)); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	empty(t, state)
}

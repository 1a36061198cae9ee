package docker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"taskbench/brokers"
	"taskbench/harness/lab"
	"taskbench/harness/lab/engine"
	"taskbench/harness/lab/engine/enginetest"
	"taskbench/harness/lab/images"
	"taskbench/harness/lab/labtest"
	"taskbench/harness/lab/leftovers"
	"taskbench/harness/lab/port"
)

// needEngine connects to the engine, which has the image then.
func needEngine(t *testing.T, image string) *client.Client {
	t.Helper()
	c := enginetest.Needed(t)
	if _, err := images.Build(t.Context(), images.Options{Only: []string{image}}); err != nil {
		t.Fatal(err)
	}
	return c
}

func newLab(t *testing.T, o Options) lab.Lab {
	t.Helper()
	state := t.TempDir()
	r, err := leftovers.Open(state, t.Name())
	if err != nil {
		t.Fatal(err)
	}
	o.Register = r
	t.Cleanup(func() {
		if left, _ := filepath.Glob(filepath.Join(state, "*.json")); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
		c, err := engine.Connect(context.Background())
		if err != nil {
			return
		}
		defer func() { _ = c.Close() }()
		list, err := c.ContainerList(context.Background(), client.ContainerListOptions{
			All: true, Filters: client.Filters{}.Add("label", "taskbench.run="+t.Name()),
		})
		if err != nil || len(list.Items) > 0 {
			t.Errorf("containers left behind: %v (%v)", list.Items, err)
		}
	})
	return New(o)
}

// talk sends a line to a Redis server and returns the first line of its answer, or the text of a bulk.
func talk(ctx context.Context, url, line string) (string, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", strings.TrimPrefix(url, "redis://"))
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	if deadline, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(deadline)
	}
	if _, err := fmt.Fprintf(c, "%s\r\n", line); err != nil {
		return "", err
	}
	r := bufio.NewReader(c)
	first, err := r.ReadString('\n')
	if err != nil || !strings.HasPrefix(first, "$") || strings.HasPrefix(first, "$-1") {
		return strings.TrimSpace(first), err
	}
	text, err := r.ReadString('\n')
	for err == nil && strings.HasPrefix(line, "INFO") && !strings.HasPrefix(text, "redis_version:") {
		text, err = r.ReadString('\n')
	}
	return strings.TrimSpace(strings.TrimPrefix(text, "redis_version:")), err
}

// redis is a plain Redis server that writes every command through to its disk.
func redis() brokers.Driver {
	return brokers.Driver{
		Name:     "redis",
		Variants: []brokers.Variant{{Name: "aof", Settings: map[string]string{"appendonly": "yes"}}},
		Server: brokers.ServerSpec{
			Product: "redis", Images: []string{"taskbench/redis:1"}, Port: 6379, Data: "/data",
			Command: func(l brokers.Launch) brokers.Command {
				return brokers.Command{
					Args:  []string{"redis-server", l.Dir + "/conf/redis.conf", "--bind", l.Host, "--port", fmt.Sprint(l.Port)},
					Files: map[string]string{"conf/redis.conf": "appendonly yes\nappendfsync always\nprotected-mode no\ndir " + l.Dir + "\n"},
				}
			},
			URL: func(addr string) string { return "redis://" + addr },
			Ready: func(ctx context.Context, url string) (string, error) {
				if v, err := talk(ctx, url, "PING"); err != nil {
					return "", err
				} else if v != "+PONG" {
					return "", errors.New("server says " + v)
				}
				return talk(ctx, url, "INFO server")
			},
		},
	}
}

func TestContractOnRedis(t *testing.T) {
	needEngine(t, "redis")
	d := redis()
	labtest.Run(t, labtest.Subject{
		Lab: newLab(t, Options{}), Driver: d, Variant: d.Variants[0], Version: "7.",
		Put: func(ctx context.Context, url, text string) error {
			answer, err := talk(ctx, url, "SET key \""+text+"\"")
			if err == nil && answer != "+OK" {
				err = errors.New(answer)
			}
			return err
		},
		Get: func(ctx context.Context, url string) (string, error) { return talk(ctx, url, "GET key") },
		Burn: func(ctx context.Context, url string) error {
			_, err := talk(ctx, url, `EVAL "local n = 0; for i = 1, 2e7 do n = n + i end; return n" 0`)
			return err
		},
		Logs: "Ready to accept connections",
	})
}

func TestServerThatEndsAtOnce(t *testing.T) {
	needEngine(t, "redis")
	d := redis()
	// No more lines than the error holds: of the two outputs the engine may tell either first.
	d.Server.Command = func(brokers.Launch) brokers.Command {
		return brokers.Command{Args: []string{"sh", "-c", "seq -f 'line %g' 12 30; echo no more disk >&2; exit 3"}}
	}
	_, err := newLab(t, Options{}).Start(t.Context(), request(t, d))
	if !errors.Is(err, lab.ErrEnded) {
		t.Fatalf("started: %v", err)
	}
	for _, want := range []string{"exit status 3", "no more disk", "line 29"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
}

func TestServerThatNeverAnswers(t *testing.T) {
	needEngine(t, "redis")
	d := redis()
	d.Server.Command = func(brokers.Launch) brokers.Command {
		return brokers.Command{Args: []string{"sh", "-c", "echo here I sit; exec sleep 600"}}
	}
	r := request(t, d)
	r.Patience = time.Second
	_, err := newLab(t, Options{}).Start(t.Context(), r)
	if !errors.Is(err, lab.ErrNotReady) || !strings.Contains(err.Error(), "here I sit") {
		t.Errorf("started: %v", err)
	}
}

func TestServerThatRunsOutOfMemory(t *testing.T) {
	needEngine(t, "redis")
	d := redis()
	d.Server.Command = func(brokers.Launch) brokers.Command {
		return brokers.Command{Args: []string{"sh", "-c", "exec tail /dev/zero"}}
	}
	_, err := newLab(t, Options{Memory: 32 << 20}).Start(t.Context(), request(t, d))
	if !errors.Is(err, lab.ErrEnded) || !strings.Contains(err.Error(), "want of memory") {
		t.Errorf("started: %v", err)
	}
}

// A stop that has to be forced is an error, and the server is gone all the same.
func TestStopOfOneThatClings(t *testing.T) {
	needEngine(t, "redis")
	d := redis()
	command := d.Server.Command
	d.Server.Command = func(l brokers.Launch) brokers.Command {
		c := command(l)
		c.Args = []string{"sh", "-c", strings.Join(c.Args, " ") + " & while true; do wait; sleep 1; done"} // as pid 1: deaf
		return c
	}
	n, err := newLab(t, Options{Grace: time.Second}).Start(t.Context(), request(t, d))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = n.Close(context.WithoutCancel(t.Context())) }()
	if err := n.Do(t.Context(), lab.Stop); err == nil || !strings.Contains(err.Error(), "was killed") {
		t.Errorf("stopped: %v", err)
	}
	if _, err := n.Stats(t.Context()); err == nil {
		t.Error("it still runs")
	}
}

func TestPublishesOnLoopbackAlone(t *testing.T) {
	c := needEngine(t, "redis")
	n, err := newLab(t, Options{}).Start(t.Context(), request(t, redis()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = n.Close(context.WithoutCancel(t.Context())) }()
	i, err := c.ContainerInspect(t.Context(), n.(*node).id, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	bound := 0
	for _, bindings := range i.Container.NetworkSettings.Ports {
		for _, b := range bindings {
			bound++
			if b.HostIP != netip.MustParseAddr("127.0.0.1") {
				t.Errorf("published at %v", b)
			}
		}
	}
	if bound != 1 {
		t.Errorf("%d ports are published, not 1", bound)
	}
	if m := i.Container.HostConfig.Memory; m != 2<<30 {
		t.Errorf("the memory limit is %d", m)
	}
	if image := n.Info().Image; !strings.HasPrefix(image, "taskbench/redis:1 (") || !strings.Contains(i.Container.Image, image[len("taskbench/redis:1 ("):len(image)-1]) {
		t.Errorf("image %q, but %s runs", image, i.Container.Image)
	}
	if s, err := n.(*node).ask(t.Context()); err != nil || s.RSS < 1<<20 || s.CPUSeconds <= 0 {
		t.Errorf("the engine's own sample is %+v (%v)", s, err)
	}
}

func TestPortTaken(t *testing.T) {
	needEngine(t, "redis")
	ln, err := port.Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	r := request(t, redis())
	r.Port = ln.Addr().(*net.TCPAddr).Port
	want := fmt.Sprintf("port %d on 127.0.0.1 is taken", r.Port)
	if _, err := newLab(t, Options{}).Start(t.Context(), r); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("started: %v, want %q", err, want)
	}
}

func TestNoImageNamesWhatWasTried(t *testing.T) {
	needEngine(t, "redis")
	d := redis()
	d.Server.Images = []string{"localhost:1/taskbench/none:1", "localhost:1/taskbench/nor-this:1"}
	l := newLab(t, Options{})
	_, err := l.Start(t.Context(), request(t, d))
	if err == nil {
		t.Fatal("started")
	}
	for _, text := range []string{err.Error(), l.Unfit(t.Context(), d, brokers.Variant{})} {
		for _, want := range append(d.Server.Images, "localhost:1: registry cannot be reached", "`bench images build`") {
			if !strings.Contains(text, want) {
				t.Errorf("%q does not say %q", text, want)
			}
		}
	}
	began := time.Now()
	if l.Unfit(t.Context(), d, brokers.Variant{}) == "" || time.Since(began) > 2*time.Second {
		t.Errorf("the dead registry was asked again: %v", time.Since(began))
	}
	own := brokers.Variant{Name: "own", Images: []string{"localhost:1/own:1"}}
	if why := l.Unfit(t.Context(), redis(), own); !strings.Contains(why, "variant own") || !strings.Contains(why, own.Images[0]) || !strings.Contains(why, "--image redis=IMAGE") || strings.Contains(why, "images build") {
		t.Errorf("as a variant of another image unfit because %q", why)
	}
	o := newLab(t, Options{Images: map[string]string{"redis": "localhost:1/mine:1"}})
	if why := o.Unfit(t.Context(), redis(), brokers.Variant{}); !strings.Contains(why, "localhost:1/mine:1") || strings.Contains(why, "taskbench/redis") {
		t.Errorf("with another image unfit because %q", why)
	}
}

func TestNoEngine(t *testing.T) {
	t.Setenv(client.EnvOverrideHost, "unix://"+filepath.Join(t.TempDir(), "no.sock"))
	l := New(Options{})
	began := time.Now()
	why := l.Unfit(t.Context(), redis(), brokers.Variant{})
	if !strings.Contains(why, "no container engine answers") || !strings.Contains(why, "make engine") || time.Since(began) > 3*time.Second {
		t.Errorf("unfit because %q after %v", why, time.Since(began))
	}
	if why := l.Unfit(t.Context(), brokers.Driver{Name: "library"}, brokers.Variant{}); !strings.Contains(why, "library has no server") {
		t.Errorf("unfit because %q", why)
	}
}

func request(t *testing.T, d brokers.Driver) lab.Request {
	t.Helper()
	return lab.Request{Driver: d, Variant: d.Variants[0], Name: "broker", LogPath: filepath.Join(t.TempDir(), "broker.log")}
}

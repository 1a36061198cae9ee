package external

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/harness/lab"
	"taskbench/harness/lab/labtest"
)

// fake is the driver with URLs that carry a password, which an unkind server tells to everyone.
func fake(t *testing.T) (brokers.Driver, string) {
	t.Helper()
	s, err := labtest.Serve("127.0.0.1:0", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	d := labtest.Driver()
	d.Server.Ready = func(ctx context.Context, url string) (string, error) {
		host := url[strings.LastIndex(url, "@")+1:]
		v, err := labtest.Ask(ctx, host, "version")
		if err != nil {
			err = fmt.Errorf("open %s as hunter2: %w", url, err)
		}
		return v, err
	}
	return d, "fake://bench:hunter2@" + s.Addr()
}

func TestUsesWhatIsThereAndHurtsNothing(t *testing.T) {
	d, url := fake(t)
	l := New(Options{URLs: map[string]string{"fake": url}})
	if why := l.Unfit(t.Context(), d, brokers.Variant{}); why != "" {
		t.Fatal(why)
	}
	n, err := l.Start(t.Context(), lab.Request{Driver: d, Variant: d.Variants[0], Name: "broker"})
	if err != nil {
		t.Fatal(err)
	}
	i := n.Info()
	if i.URL != url || !strings.HasSuffix(url, "@"+i.Addr) || i.Version != labtest.Version || i.Lab != "external" {
		t.Errorf("info %+v", i)
	}
	for _, a := range []lab.Action{lab.Kill, lab.Stop, lab.Start, lab.Pause, lab.Resume} {
		why := n.Can(a)
		if !strings.Contains(why, "somebody else runs") || strings.Contains(why, "hunter2") {
			t.Errorf("%s: %q", a, why)
		}
		if err := n.Do(t.Context(), a); err == nil || err.Error() != why {
			t.Errorf("%s was done: %v", a, err)
		}
	}
	for range 2 {
		if err := n.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if _, err := d.Server.Ready(t.Context(), url); err != nil {
		t.Errorf("closing the node hurt the server: %v", err)
	}
}

func TestAnErrorTellsNoSecret(t *testing.T) {
	d, _ := fake(t)
	l := New(Options{URLs: map[string]string{"fake": "fake://bench:hunter2@127.0.0.1:1"}})
	_, err := l.Start(t.Context(), lab.Request{Driver: d, Variant: d.Variants[0], Name: "broker", Patience: 50 * time.Millisecond})
	if !errors.Is(err, lab.ErrNotReady) || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "bench:xxxxx@127.0.0.1:1") {
		t.Errorf("started: %v", err)
	}
}

func TestUnfit(t *testing.T) {
	d, _ := fake(t)
	for url, want := range map[string]string{"": "--url fake=", "nonsense": "names no server", "sentinel://a:1;sentinel://b:2/0?master_name=m": "give that of the master",
		"mongodb://u:hunter2@a:1,b:2/?replicaSet=rs0": "mongodb://u:xxxxx@a:1,b:2/?replicaSet=rs0, names several servers", "mongodb+srv://a/": "names several servers"} {
		l := New(Options{URLs: map[string]string{"fake": url}})
		if why := l.Unfit(t.Context(), d, brokers.Variant{}); !strings.Contains(why, want) {
			t.Errorf("with URL %q unfit because %q", url, why)
		}
	}
}

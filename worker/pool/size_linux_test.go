package pool

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// memory is what processes take, in bytes: by what each of them sees, and by their share of what they have in common.
func memory(t testing.TB, pids []int) (rss, pss int64) {
	t.Helper()
	for _, pid := range pids {
		f, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			t.Fatal(err)
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			fields := strings.Fields(lines.Text())
			kib, _ := strconv.ParseInt(fields[1], 10, 64)
			switch fields[0] {
			case "Rss:":
				rss += kib << 10
			case "Pss:":
				pss += kib << 10
			}
		}
		f.Close()
	}
	return rss, pss
}

// An idle pool of eight children, with its parent, and how long the first task waits for its start.
func TestIdleChildrenAreSmall(t *testing.T) {
	began := time.Now()
	p := open(t, "prefork", Settings{Size: 8})
	if r := p.Run(t.Context(), job(t, "noop")); r.Status != OK {
		t.Fatalf("%+v", r)
	}
	first := time.Since(began)
	until(t, "all children are ready", func() bool { return idle(p) == 8 })
	rss, pss := memory(t, append(p.PIDs(), os.Getpid()))
	each, _ := memory(t, p.PIDs())
	each /= 8
	t.Logf("8 idle children and their parent: RSS %d MiB, PSS %d MiB; a child %d KiB; first task after %v", rss>>20, pss>>20, each>>10, first)
	if rss > 150<<20 && !raced {
		t.Errorf("RSS of %d MiB, and 150 is the bound", rss>>20)
	}
	if each > 9<<19 && !raced {
		t.Errorf("a child takes %d KiB: what only its start took is not given back", each>>10)
	}
	if first > 300*time.Millisecond && !raced {
		t.Errorf("the first task ended after %v, and 300 ms is the bound", first)
	}
}

// idle is how many children have nothing to do.
func idle(p managed) int {
	l := &p.Pool.(*prefork).line
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.idle)
}

func BenchmarkFirstTask(b *testing.B) {
	for _, kind := range []string{"prefork", "green"} {
		b.Run(kind, func(b *testing.B) {
			for range b.N {
				p, err := New(b.Context(), kind, Settings{Size: 8}, perform)
				if err != nil {
					b.Fatal(err)
				}
				if r := p.Run(b.Context(), job(b, "noop")); r.Status != OK {
					b.Fatalf("%+v", r)
				}
				b.StopTimer()
				p.Close()
				b.StartTimer()
			}
		})
	}
}

// What one no-op costs in each pool, with as many callers as a worker has messages in hand.
func BenchmarkRun(b *testing.B) {
	for _, c := range []struct {
		kind    string
		capture bool
		hard    time.Duration
	}{{"solo", false, 0}, {"goroutine", false, 0}, {"goroutine", false, time.Hour}, {"threads", false, 0}, {"green", false, 0}, {"prefork", false, 0}, {"prefork", false, time.Hour}, {"prefork", true, 0}} {
		b.Run(fmt.Sprintf("%s/capture=%v/hard=%v", c.kind, c.capture, c.hard), func(b *testing.B) {
			p := open(b, c.kind, Settings{Size: 8, Capture: c.capture})
			p.Run(b.Context(), job(b, "noop"))
			b.SetParallelism(16)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				j := job(b, "noop")
				j.Hard = c.hard
				for pb.Next() {
					if r := p.Run(b.Context(), j); r.Status != OK {
						b.Errorf("%+v", r)
						return
					}
				}
			})
		})
	}
}

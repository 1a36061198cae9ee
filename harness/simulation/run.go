package simulation

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/memory"
	"taskbench/harness/checks"
	"taskbench/harness/ledger"
	"taskbench/worker"
	"taskbench/worker/client"
)

const queue = "simulation"

// Seams are where tests put faulty parts in: between the network and the broker, and between a worker and the network.
type Seams struct {
	Rules  func(memory.Rules) memory.Rules       // the broker goes by them, and not by the plan's
	Broker func(node string, l Link) Link        // every connection, on the broker's side
	Worker func(c brokers.Broker) brokers.Broker // every connection of a worker, on its side
	Config func(*worker.Config)                  // of every worker
	Log    *slog.Logger                          // of the workers; nil: none
}

// An Outcome is how a run went.
type Outcome struct {
	Problems []string      // what is wrong; none, if all is well
	Realised []string      // the faults as they came about
	Took     time.Duration // of virtual time
	checks.Counts
}

// String is all of it, for people.
func (o Outcome) String() string {
	return strings.Join(append(o.Realised, o.Problems...), "\n")
}

// A run is one plan being carried out.
type run struct {
	plan     Plan
	seams    Seams
	start    time.Time
	began    int64 // the same on the ledger's clock
	tag      ledger.Run
	recorder *ledger.Recorder
	network  *network
	hosts    []*host
	log      *slog.Logger
	pids     atomic.Uint32
	awaited  atomic.Int32 // workers that are to come back
	client   *publisher

	mu        sync.Mutex
	problems  []string
	realised  []string
	spans     []ledger.FaultSpan
	notBefore []time.Time // of each task
	deaths    []int       // that it has caused
	restarted int64       // when the broker last forgot everything, on the ledger's clock
}

// Run carries a plan out, in a bubble of testing/synctest.
func Run(p Plan, s Seams) Outcome {
	r := &run{
		plan: p, seams: s, start: time.Now(), began: ledger.Now(), tag: ledger.NewRun(rand.NewPCG(p.Seed, 1)), log: silentLog,
		notBefore: make([]time.Time, len(p.Tasks)), deaths: make([]int, len(p.Tasks)),
	}
	if s.Log != nil {
		r.log = s.Log
	}
	r.recorder = ledger.NewRecorder(r.tag, r.began)
	r.network = &network{
		run: r, seams: s, engine: memory.New(), opened: map[string]uint64{}, stalled: map[string]time.Time{},
		custody: custody{rules: p.Rules, violate: r.violate, held: map[int64][]*holding{}, seen: map[int64]bool{}},
	}
	for i := range p.Workers {
		h := &host{run: r, name: nodeName(i + 1), index: uint16(i + 1)}
		r.hosts = append(r.hosts, h)
		h.start()
	}
	r.client = &publisher{run: r}
	r.client.tasks = client.New(r.client)
	var all sync.WaitGroup
	for i, t := range p.Tasks {
		r.recorder.Due(uint64(i), r.began+int64(t.Due))
		all.Go(func() { r.client.publish(uint64(i), t) })
	}
	for _, f := range p.Faults {
		all.Go(func() {
			<-time.After(f.At)
			r.inject(f)
		})
	}
	all.Wait()
	drained, left := r.drain()
	ended := ledger.Now()
	for _, h := range r.hosts {
		all.Go(h.stop)
	}
	all.Wait()
	for _, h := range r.hosts {
		for _, l := range h.lives {
			<-l.done
		}
	}
	r.client.close()
	o := Outcome{Took: time.Since(r.start)}
	dead := r.remains()
	_ = r.network.engine.Close() // never fails
	o.Counts = r.judge(r.meta(drained, left, ended-r.began), dead)
	r.mu.Lock()
	defer r.mu.Unlock()
	o.Problems, o.Realised = r.problems, r.realised
	return o
}

// random is a source of its own for each purpose.
func (r *run) random(purpose string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(purpose)) // a hash takes everything
	return rand.New(rand.NewPCG(r.plan.Seed, h.Sum64()))
}

// violate notes a problem.
func (r *run) violate(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.problems) < 100 {
		r.problems = append(r.problems, fmt.Sprintf("at %v: ", time.Since(r.start))+fmt.Sprintf(format, args...))
	}
}

// realise notes what was done, and when.
func (r *run) realise(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.realised = append(r.realised, fmt.Sprintf("%v ", time.Since(r.start))+fmt.Sprintf(format, args...))
}

// started sees to it that a task is not begun before its time.
func (r *run) started(seq uint64, l *life) {
	if seq >= uint64(len(r.notBefore)) {
		return
	}
	r.mu.Lock()
	due := r.notBefore[seq]
	r.mu.Unlock()
	if early := time.Until(due); early > 10*time.Microsecond { // messages carry microseconds
		r.violate("%s started task %d %v early", l.host.name, seq, early)
	}
}

// kills tells whether a task is to kill its worker once more.
func (r *run) kills(id string) bool {
	seq, ours := r.tag.Parse(id)
	if !ours || seq >= uint64(len(r.deaths)) {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deaths[seq]++
	return r.deaths[seq] <= r.plan.Tasks[seq].Times
}

// alive tells whether a process lives, for the ledger.
func (r *run) alive(pid uint32) bool {
	for _, h := range r.hosts {
		h.mu.Lock()
		is := h.life != nil && h.life.pid == pid
		h.mu.Unlock()
		if is {
			return true
		}
	}
	return false
}

// drainLimit is how long a drain may take beside what the longest task and the longest rule do, twice.
const drainLimit = 5 * time.Minute

// drain waits until the broker is empty and nobody works.
func (r *run) drain() (full bool, left int) {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	limit := time.Now().Add(drainLimit + 2*r.longest())
	last := time.Now() // when the last task may be run
	r.mu.Lock()
	for _, at := range r.notBefore {
		if at.After(last) {
			last = at
		}
	}
	r.mu.Unlock()
	for quiet := 0; time.Now().Before(limit); {
		<-tick.C
		ready, held, err := r.network.engine.Connect(memory.Rules{}).Depth(context.Background(), queue)
		left = ready + held
		if err != nil || left > 0 || r.awaited.Load() > 0 || r.inHand() > 0 || time.Now().Before(last) || r.recorder.Open(r.alive) > 0 {
			quiet = 0
			continue
		}
		if quiet++; quiet == 4 {
			return true, 0
		}
	}
	return false, left
}

// inHand is how many messages the workers say that they have: among them those whose retry they have yet to send, which
// the ledger takes for finished.
func (r *run) inHand() (n int) {
	for _, h := range r.hosts {
		if l := h.current(); l != nil {
			n += l.worker.Stats().InHand
		}
	}
	return n
}

package harness

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"taskbench/brokers"
	"taskbench/harness/faults"
	"taskbench/harness/lab"
	"taskbench/harness/lab/leftovers"
	"taskbench/harness/lab/proxy"
	"taskbench/harness/ledger"
	"taskbench/harness/metrics"
	"taskbench/harness/scenario"
	"taskbench/harness/systems"
	"taskbench/harness/tasks"
)

// A job is one cell to be run, and what the cells share.
type job struct {
	plan       Plan
	cell       CellPlan
	index      int
	clock      *clock
	iterations float64 // of cpu work in a millisecond of this host
	slow       string  // URL of the slow HTTP server
	interim    func(Cell)
}

// A stage is one cell's broker, proxy and workers, up and consuming, and the ledger that watches them.
type stage struct {
	job
	node      lab.Node
	proxy     *proxy.Proxy    // nil for a library broker, and one of several servers
	members   []faults.Member // of a broker of several servers, each with a proxy; nil else
	url       string          // what workers connect to
	sendURL   string          // what publishers connect to
	workers   []systems.Worker
	beats     []systems.Worker
	ticks     *ticks   // that the beats send; nil where there are none
	replies   *replies // nil unless results are sent
	run       ledger.Run
	recorder  *ledger.Recorder
	collector *ledger.Collector
	samplers  []*metrics.Sampler
	depths    *depths // nil until the load begins
	start     int64   // host monotonic nanoseconds: when the load began
	evidence  string
	forget    func() error // the claim on the evidence directory
	collected ledger.Collected

	turns     *turns // of the faults, from when the load begins
	forceMu   sync.Mutex
	claims    map[string]int    // workers that are hurt, by which fault of the schedule
	force     []string          // names of the faults that hurt now
	pending   int               // faults of the schedule that are not over yet
	healedAny atomic.Bool       // some fault has been healed
	healedAt  atomic.Int64      // when the last one was, nanoseconds since the load began
	paced     atomic.Int64      // until when the load went on past its span, likewise; 0 when it did not
	past      map[int]injection // faults of the schedule that took effect, by number
	deaths    deaths
	terms     []ledger.Terms
	chords    tasks.Chords
	counter   systems.Counter // of the chords' tasks; nil where there are none
	soak      *soak           // nil for a history in one piece
}

// runCell provisions, drives, breaks, heals, drains and judges one cell, and removes whatever it started.
func runCell(ctx context.Context, j job) (Cell, error) {
	j.clock.start()
	cell := newCell(j.cell)
	s, err := provision(ctx, j)
	if err != nil {
		if ctx.Err() != nil {
			cell.Warnings = append(cell.Warnings, fmt.Sprintf("interrupted before the load began: %v", err))
			return cell, nil // Run says that it was interrupted
		}
		cell.Warnings = append(cell.Warnings, err.Error())
		return cell, EnvironmentError{err}
	}
	cell = s.described(cell)
	outcome := s.drive(ctx)
	tearDown := s.close() // workers leave before the evidence is read to its end
	j.clock.tell(Progress{Phase: "judge"})
	judged, err := s.judge(cell, outcome)
	if outcome.full != nil {
		err = outcome.full // the history found no room either, or just so
	}
	return judged, errors.Join(err, tearDown)
}

// described is the cell with what its node says of itself.
func (s *stage) described(cell Cell) Cell {
	info := s.node.Info()
	cell.Server, cell.Image = info.Product+" "+info.Version, info.Image
	cell.Settings = info.Settings
	for _, node := range append(s.servers(), s.names()...) {
		cell.Logs = append(cell.Logs, filepath.Join("logs", filepath.Base(s.log(node))))
	}
	return cell
}

// processes are the workers, and then the beats.
func (s *stage) processes() []systems.Worker { return slices.Concat(s.workers, s.beats) }

// names are those of the workers and beats.
func (s *stage) names() []string {
	var names []string
	for _, w := range s.processes() {
		names = append(names, w.Name())
	}
	return names
}

// smallDisk is what a server has for its data where its disk is to be filled: enough for any that has little to keep.
const smallDisk = 256 << 20

// diskOf is how large a disk of its own the broker's server needs; 0 is none.
func diskOf(s scenario.Scenario) int64 {
	if s.Any(func(f scenario.Fault) bool { return f.Fault == "disk-full" }) {
		return smallDisk
	}
	return 0
}

// queue is where the tasks of a cell go unless its workload says otherwise: each cell has a server, or a file, of its own.
const queue = brokers.DefaultQueue

// queues are all that its tasks go to.
func (s *stage) queues() []string { return s.cell.Scenario.Workload.Queues(queue) }

// provision brings everything up. On error nothing is left running.
func provision(ctx context.Context, j job) (_ *stage, err error) {
	c := j.cell
	j.clock.tell(Progress{Phase: "provision"})
	s := &stage{job: j}
	// The time of day is in the tag, so that an external server's messages of an earlier run are foreign to this one.
	s.run = ledger.NewRun(rand.NewPCG(s.random(runTag).Uint64(), uint64(time.Now().UnixNano())))
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if err := s.makeEvidenceDir(); err != nil {
		return nil, fmt.Errorf("make a directory for the evidence: %w", err)
	}
	s.node, err = c.Lab.Start(ctx, lab.Request{
		Driver: c.Driver, Variant: c.Variant, Name: "broker", LogPath: s.log("broker"), Patience: j.plan.Patience, Disk: diskOf(c.Scenario),
	})
	if err != nil {
		return nil, fmt.Errorf("bring broker %s up in lab %s: %w", c.Driver.Name, c.Lab.Name(), err)
	}
	if err := s.approach(ctx); err != nil {
		return nil, err
	}
	s.takeReplies()
	nodes := []string{"broker"}
	for i := range c.Scenario.System.Workers {
		nodes = append(nodes, fmt.Sprintf("worker-%d", i+1))
	}
	for i, name := range nodes[1:] {
		w, err := c.System.Start(ctx, systems.Spec{
			Name: name, Index: uint16(i + 1), Driver: c.Driver, Variant: c.Variant, URL: s.url, Queues: s.queues(),
			System: c.Scenario.System, Run: s.run, Evidence: s.evidence, LogPath: s.log(name),
			Died: func(how string) { s.died(name, how) },
		})
		if err != nil {
			return nil, err
		}
		s.workers = append(s.workers, w)
	}
	if err := s.startBeats(ctx, len(nodes)); err != nil {
		return nil, err
	}
	return s, nil
}

// makeEvidenceDir makes a directory beside the result that the next run removes if this one is killed.
func (s *stage) makeEvidenceDir() error {
	dir, err := filepath.Abs(filepath.Join(s.plan.Dir, ".evidence-"+s.run.Tag()))
	if err != nil {
		return err
	}
	if s.forget, err = leftovers.Scratch(dir); err != nil {
		return err
	}
	s.evidence = dir
	return os.MkdirAll(dir, 0o755)
}

func (s *stage) log(node string) string {
	return filepath.Join(s.plan.Dir, "logs", s.cell.Name()+"."+node+".log")
}

// leaving is how long a part of a stage may take to go, a worker's grace not counted.
const leaving = 30 * time.Second

// close stops the workers warmly and removes everything. It goes on past errors, and past the end of the run's
// context: what was started must go.
func (s *stage) close() error {
	stopped := make([]error, len(s.workers)+len(s.beats))
	warm, cancel := context.WithTimeout(context.Background(), s.cell.Scenario.System.Grace+leaving)
	defer cancel()
	var stopping sync.WaitGroup // at once: each may take its whole grace
	for i, w := range s.processes() {
		stopping.Go(func() { stopped[i] = w.Stop(warm) })
	}
	stopping.Wait()
	errs := []error{errors.Join(stopped...)}
	if s.ticks != nil {
		s.ticks.close()
	}
	if s.replies != nil {
		s.replies.close()
	}
	for _, m := range s.samplers {
		m.Stop()
	}
	if s.counter != nil {
		errs = append(errs, s.counter.Close())
	}
	if s.depths != nil {
		s.depths.end()
	}
	for _, p := range s.proxies() {
		errs = append(errs, p.Close())
	}
	if s.node != nil {
		// Time of its own: a worker that took all of its must not leave the server behind.
		ctx, cancel := context.WithTimeout(context.Background(), leaving)
		defer cancel()
		errs = append(errs, s.node.Close(ctx))
	}
	errs = append(errs, s.flush())
	if s.evidence != "" {
		errs = append(errs, os.RemoveAll(s.evidence), s.forget())
	}
	return errors.Join(errs...)
}

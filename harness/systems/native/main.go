package native

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"taskbench/brokers/all"
	"taskbench/harness/ledger"
	"taskbench/harness/systems"
	"taskbench/harness/tasks"
	"taskbench/worker"
)

// ordersEnv is the environment variable by which a process learns that it is a worker.
const ordersEnv = "TASKBENCH_NATIVE_WORKER"

// Main takes over the process when it was started as a worker of this system, or as a pool child of one, and
// does not return then. Programs that run the harness, test binaries among them, call it first.
func Main() {
	o, ordered := ordersOfThisProcess()
	var clock worker.Clock
	if ordered {
		d := openDial(o)
		clock = d.now
		time.Sleep(time.Duration(d.slow.Load()))
	}
	worker.Main(tasks.Registry(), func() worker.Observer {
		if !ordered {
			return nil // a child of `bench worker`: nobody keeps a ledger
		}
		return openWitness(o)
	}, clock)
	if !ordered {
		return
	}
	os.Exit(runOrders(o, clock))
}

func ordersOfThisProcess() (orders, bool) {
	text, ok := os.LookupEnv(ordersEnv)
	if !ok {
		return orders{}, false
	}
	var o orders
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		fmt.Fprintf(os.Stderr, "worker: read its orders from %s: %v\n", ordersEnv, err)
		os.Exit(1)
	}
	return o, true
}

func runOrders(o orders, clock worker.Clock) int {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil)).With("node", o.Config.Name)
	driver, _, err := all.Find(o.Config.Broker)
	if err != nil {
		log.Error("find the broker", "err", err)
		return 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go attend(clock)
	if o.Beat != nil {
		return runBeat(ctx, o, clock, log)
	}
	results, err := openResults(ctx, o)
	if err != nil {
		log.Error("open the results", "err", err)
		return 1
	}
	if results != nil {
		defer results.Close()
	}
	w, err := worker.New(o.Config, worker.Options{
		Registry: tasks.Registry(),
		Driver:   driver,
		Observer: openWitness(o),
		Log:      log,
		Ready:    func() { fmt.Fprint(os.Stdout, readyLine) },
		Clock:    clock,
		Results:  results,
	})
	if err != nil {
		log.Error("set the worker up", "err", err)
		return 1
	}
	hasty := make(chan os.Signal, 2)
	signal.Notify(hasty, leave[systems.Soft], leave[systems.Cold])
	go func() {
		for s := range hasty {
			how := worker.Soft
			if s == leave[systems.Cold] {
				how = worker.Cold
			}
			w.Stop(how)
		}
	}()
	if err := w.Run(ctx); err != nil {
		log.Error("run the worker", "err", err)
		return 1
	}
	return 0
}

// attend tells the harness the time whenever it asks, and ends the worker and its children when the harness is gone,
// however it went: the other end of standard input closes.
func attend(clock worker.Clock) {
	for asked := bufio.NewScanner(os.Stdin); asked.Scan(); {
		if asked.Text() == timeAsked {
			fmt.Fprintln(os.Stdout, clock().UnixNano())
		}
	}
	_ = syscall.Kill(0, syscall.SIGKILL)
}

// A Witness writes down what a worker does before the worker goes on.
type Witness struct {
	Run      ledger.Run // tasks of other runs are foreign
	Evidence *ledger.Evidence
}

func openWitness(o orders) worker.Observer {
	run, err := ledger.ParseRun(o.Run)
	if err == nil {
		var e *ledger.Evidence
		if e, err = ledger.OpenEvidence(o.Evidence, o.Config.Name, o.Index); err == nil {
			return Witness{Run: run, Evidence: e}
		}
	}
	// A worker without a witness must not run: what it did would be taken for loss.
	fmt.Fprintf(os.Stderr, "worker %s: open its evidence in %s: %v\n", o.Config.Name, o.Evidence, err)
	os.Exit(1)
	return nil
}

// Observe implements worker.Observer.
func (w Witness) Observe(e worker.Event) {
	seq, ours := w.Run.Parse(e.ID)
	if !ours {
		seq = ledger.Foreign
	}
	w.Evidence.Write(ledger.Event{
		Task:    seq,
		Attempt: e.Attempt,
		At:      ledger.Now(),
		PID:     uint32(e.PID),
		Kind:    ledger.Kind(e.Kind),
		Outcome: ledger.Outcome(e.Outcome),
	})
}

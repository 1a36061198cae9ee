package harness

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/all"
	"taskbench/brokers/nearest"
	"taskbench/harness/faults"
	"taskbench/harness/lab"
	"taskbench/harness/lab/labs"
	"taskbench/harness/lab/proxy/step"
	"taskbench/harness/scenario"
	"taskbench/harness/systems"
	"taskbench/harness/systems/native"
)

// A Request asks for a run: scenarios crossed with brokers, pools and repeats.
type Request struct {
	Name      string
	Scenarios []scenario.Scenario
	Brokers   []string // "redis" or "redis:aof-always"
	Pools     []string // empty: the pool that each scenario names
	Repeat    int      // 0 is 1
	Seed      uint64
	Lab       string            // auto, docker, process, embedded or external
	Images    map[string]string // broker name to image, instead of the driver's own
	URLs      map[string]string // broker name to a server that somebody else runs
	Patience  time.Duration     // how long a server may take to become ready; 0 is a minute
	Dir       string            // result directory; made by Run
	Command   string            // the command line that repeats the run
	Piece     time.Duration     // how much of a load a piece of its history holds; 0: five minutes, of loads of more than twenty
	Interim   func(Result)      // is told how the run stands when a piece was stored, from one goroutine; may be nil
}

// A Plan is a request that was found to be possible: every cell of it, in the order in which they will run.
type Plan struct {
	Request
	Cells []CellPlan
}

// A CellPlan is one cell before it has run.
type CellPlan struct {
	Scenario scenario.Scenario // with the cell's pool filled in
	Driver   brokers.Driver
	Variant  brokers.Variant
	System   systems.System
	Under    string // the scenario's name, where it breaks something and is one of several; "" else
	Repeat   int
	Lab      lab.Lab
	Why      string        // why this lab and not an earlier one
	Piece    time.Duration // how much of the load a piece of the history holds; 0 keeps it in one
	Unfit    string        // why the cell cannot be run as asked; it is reported and not run
}

// Name names the cell in file names and on the screen: broker.variant.pool.workload.repeat, with the scenario before the
// repeat where several break something.
func (c CellPlan) Name() string {
	parts := []string{c.Driver.Name, c.Variant.Name, c.Scenario.System.Pool, c.Scenario.Workload.Name}
	if c.Under != "" {
		parts = append(parts, c.Under)
	}
	return strings.Join(append(parts, fmt.Sprint(c.Repeat)), ".")
}

// under is how the cells of a scenario that breaks something are told from those of others.
func (r Request) under(s scenario.Scenario) string {
	if len(r.Scenarios) > 1 && len(s.Faults) > 0 {
		return s.Name
	}
	return ""
}

// Length is how long the cell takes when nothing goes wrong, start-up and drain estimated.
func (c CellPlan) Length() time.Duration {
	if c.Unfit != "" {
		return 0
	}
	const around = 4 * time.Second
	return around + c.Scenario.Load.Warmup + c.Scenario.Load.For
}

// Length is the sum over the cells.
func (p Plan) Length() time.Duration {
	var sum time.Duration
	for _, c := range p.Cells {
		sum += c.Length()
	}
	return sum
}

// An InputError is a mistake of whoever asked: nothing was started.
type InputError struct{ Err error }

func (e InputError) Error() string { return e.Err.Error() }
func (e InputError) Unwrap() error { return e.Err }

// An EnvironmentError is a machine that could not do what was asked: no engine, no image, no disk.
type EnvironmentError struct{ Err error }

func (e EnvironmentError) Error() string { return e.Err.Error() }
func (e EnvironmentError) Unwrap() error { return e.Err }

// NewPlan checks everything that can be checked before anything starts. The error joins all mistakes of the
// request as an InputError, or else everything that the machine lacks as an EnvironmentError.
func NewPlan(ctx context.Context, r Request) (Plan, error) {
	if r.Repeat == 0 {
		r.Repeat = 1
	}
	r, err := r.realised()
	if err != nil {
		return Plan{}, InputError{err}
	}
	var wrong, lacking []error
	type placed struct {
		driver  brokers.Driver
		variant brokers.Variant
		lab     lab.Lab
		why     string
	}
	var places []placed
	for _, name := range r.Brokers {
		d, v, err := all.Find(name)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		l, why, err := labs.Pick(ctx, r.Lab, d, v, labs.Options{Images: r.Images, URLs: r.URLs, Make: true})
		var unknown *labs.UnknownError
		switch {
		case errors.As(err, &unknown):
			wrong = append(wrong, err)
		case err != nil:
			lacking = append(lacking, err) // it names the broker
		default:
			places = append(places, placed{d, v, l, why})
		}
	}
	if len(r.Brokers) == 0 {
		wrong = append(wrong, errors.New("no broker was named"))
	}
	if r.Repeat < 0 {
		wrong = append(wrong, fmt.Errorf("repeat %d: must be at least 1", r.Repeat))
	}
	system := native.System
	for _, pool := range r.Pools {
		if !slices.Contains(system.Pools, pool) {
			wrong = append(wrong, fmt.Errorf("no pool %q%s; there is %s", pool, suggest(pool, system.Pools), strings.Join(system.Pools, ", ")))
		}
	}
	if len(wrong) > 0 {
		return Plan{}, InputError{errors.Join(wrong...)}
	}
	if len(lacking) > 0 {
		return Plan{}, EnvironmentError{errors.Join(lacking...)}
	}

	p := Plan{Request: r}
	for repeat := 1; repeat <= r.Repeat; repeat++ {
		var round []CellPlan
		for _, s := range r.Scenarios {
			for _, at := range places {
				for _, pool := range poolsOf(r, s) {
					c := CellPlan{Scenario: s, Driver: at.driver, Variant: at.variant, System: system, Under: r.under(s), Repeat: repeat, Lab: at.lab, Why: at.why}
					c.Scenario.System.Pool = pool
					if pool == "solo" {
						c.Scenario.System.Concurrency = 1 // there is no other solo, and the result says so
					}
					c.Piece = pieceOf(r.Piece, s.Load.Warmup+s.Load.For)
					c.Unfit = unfit(c)
					round = append(round, c)
				}
			}
		}
		// Each repeat is a whole round in an order of its own, so that no cell always runs after the same one.
		order := rand.New(rand.NewPCG(r.Seed, uint64(repeat)))
		order.Shuffle(len(round), func(i, j int) { round[i], round[j] = round[j], round[i] })
		p.Cells = append(p.Cells, round...)
	}
	if err := enoughRoom(p.Dir, p.need()); err != nil {
		return Plan{}, EnvironmentError{err}
	}
	return p, nil
}

// realised is the request with every schedule as plain lines: all cells of a scenario, its repeats too, meet the same
// faults at the same times.
func (r Request) realised() (Request, error) {
	var wrong []error
	r.Scenarios = slices.Clone(r.Scenarios)
	for i, s := range r.Scenarios {
		s, err := scenario.Realise(s, r.Seed)
		if err != nil {
			wrong = append(wrong, err)
		}
		r.Scenarios[i] = s
	}
	return r, errors.Join(wrong...)
}

func poolsOf(r Request, s scenario.Scenario) []string {
	if len(r.Pools) > 0 {
		return r.Pools
	}
	return []string{s.System.Pool}
}

// unfit says why a scenario's faults cannot be applied to the cell's broker, lab or pool.
func unfit(c CellPlan) string {
	setting := faults.Setting{Lab: c.Lab.Name(), Library: c.Driver.Server.Library, Pool: c.Scenario.System.Pool, Server: c.Driver.Server, Wire: wireOf(c)}
	if c.Lab.Name() != labs.External { // whose URL names one server
		setting.Members = c.Variant.Members
	}
	var why []string
	if c.Scenario.System.Results != "" {
		if no := native.Keeps(c.Driver); no != "" {
			why = append(why, no)
		}
	}
	if c.Scenario.Workload.Chord > 0 {
		if no := native.Counts(c.Driver); no != "" {
			why = append(why, no)
		}
	}
	if no := noBeat(c); no != "" {
		why = append(why, no)
	}
	for _, f := range c.Scenario.Faults {
		fault, err := faults.Find(f.Fault, f.Node)
		if err != nil {
			why = append(why, err.Error())
			continue
		}
		setting.Node, setting.Params = f.Node, f.Params
		if no := fault.UnfitIn(setting); no != "" {
			why = append(why, fmt.Sprintf("%s on %s: %s", f.Fault, fault.Node, no))
		} else if f.On != "" {
			if no := setting.Step(step.Step(f.On)); no != "" {
				why = append(why, fmt.Sprintf("%s on %s at a step: %s", f.Fault, fault.Node, no))
			}
		}
	}
	slices.Sort(why) // a schedule may have the same fault many times
	return strings.Join(slices.Compact(why), "; ")
}

// wireOf is what the cell's variant speaks, as far as its driver says, and what the worker says of results.
func wireOf(c CellPlan) brokers.Wire {
	if c.Driver.Wire == nil {
		return brokers.Wire{}
	}
	w := c.Driver.Wire(c.Variant)
	if c.Scenario.System.Results != "" && native.Keeps(c.Driver) == "" {
		acts := maps.Clone(native.Acts(c.Driver)) // each has one for all
		maps.Copy(acts, w.Acts)
		w.Acts = acts
	}
	return w
}

func suggest(got string, known []string) string {
	if near := nearest.Name(got, known); near != "" {
		return fmt.Sprintf(" (did you mean %s?)", near)
	}
	return ""
}

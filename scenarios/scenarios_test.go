package scenarios_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"taskbench/brokers/all"
	"taskbench/harness"
	"taskbench/harness/faults"
	"taskbench/harness/lab/labs"
	"taskbench/harness/lab/labtest"
	"taskbench/harness/lab/leftovers"
	"taskbench/harness/scenario"
	"taskbench/harness/systems/native"
	"taskbench/reports"
	"taskbench/scenarios"
)

// seed is the same in every run of the tests unless it is given, so that a failure can be repeated.
var seed = flag.Uint64("seed", 1, "seed of all chance in the scenarios")

func TestMain(m *testing.M) {
	native.Main()
	labtest.AtOnce(5) // cells wait for their load to come and for brokers to come back
	os.Exit(m.Run())
}

// TestScenarios runs every scenario's short profile on every broker of the lab: the brokers with a server in the
// lab that BENCH_LAB names (auto: the first that works), and the embedded ones. With -short it is the embedded
// ones alone. What a scenario expects must hold in every cell that can be run at all.
func TestScenarios(t *testing.T) {
	lab := labOf(t)
	sweep(t)
	places := placements(lab)
	lacks := map[placement]error{}
	for _, p := range places {
		lacks[p] = lacking(t, p)
	}
	for _, s := range loadAll(t) {
		for _, where := range places {
			if !placed(s, where) {
				continue
			}
			if on := few[s.Name]; on != nil && !slices.Contains(on, where.broker) {
				continue
			}
			t.Run(s.Name+"/"+where.broker, func(t *testing.T) {
				if err := lacks[where]; err != nil {
					if where.lab == labs.Process {
						name, _, _ := strings.Cut(where.broker, ":")
						labtest.Unpackaged(t, name, err)
						t.Fatal(err)
					}
					t.Skipf("not on this machine: %v", err)
				}
				if !alone[s.Name+"/"+where.broker] {
					t.Parallel()
				}
				runCell(t, s, where)
			})
		}
	}
}

// A placement is one broker in one lab. One that is there again, in another durability class, is only for scenarios
// that end the broker's process: the class changes nothing elsewhere.
// One that is several servers is only for scenarios that hurt one of them, and they are only for it.
type placement struct {
	broker, lab    string
	again, several bool
}

// placed tells whether a scenario is for the placement. One that names brokers is for those and no others: what it asks they
// alone can answer.
func placed(s scenario.Scenario, where placement) bool {
	if len(s.Run.Brokers) > 0 {
		return slices.Contains(s.Run.Brokers, where.broker)
	}
	return (!where.again || s.Any(forgets)) && where.several == s.Any(aimed)
}

// forgets tells whether a fault ends the broker's process.
func forgets(f scenario.Fault) bool { return f.Node == "broker" && faults.Forgets(f.Fault) }

// aimed tells whether a fault hurts one server of a broker that is several.
func aimed(f scenario.Fault) bool { return scenario.Kind(f.Node) != f.Node }

// labOf is BENCH_LAB, or embedded with -short.
func labOf(t *testing.T) string {
	if testing.Short() {
		return "embedded"
	}
	lab := os.Getenv("BENCH_LAB")
	if lab == "" {
		lab = "auto"
	}
	t.Logf("lab %s", lab)
	return lab
}

// placements is every broker that the lab can hold: one variant of each with a server, more where the durability
// class changes what a fault may do. Brokers without a server of their own are always embedded.
func placements(lab string) []placement {
	list := []placement{{broker: "memory", lab: "embedded"}, {broker: "sqlite", lab: "embedded"}}
	if lab == "embedded" {
		return list
	}
	for _, broker := range []string{"rabbitmq:quorum", "redis:aof-always", "postgres:lease", "mysql:lease", "mongodb:lease", "couchdb:lease", "beanstalkd:binlog", "nats:file"} {
		list = append(list, placement{broker: broker, lab: lab})
	}
	for _, broker := range []string{"rabbitmq:classic", "redis:memory"} {
		list = append(list, placement{broker: broker, lab: lab, again: true})
	}
	if lab != labs.Process { // where a server stands alone
		for _, broker := range []string{"rabbitmq:cluster", "redis:sentinel"} {
			list = append(list, placement{broker: broker, lab: lab, several: true})
		}
	}
	return list
}

// lacking says why the lab cannot hold the broker, or nil. Auto may say no on a machine that has no server for it, and
// process for those that Debian has no server for: a lab that was asked for by name fails in the cell.
func lacking(t *testing.T, p placement) error {
	if p.lab != labs.Auto && p.lab != labs.Process {
		return nil
	}
	d, v, err := all.Find(p.broker)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = labs.Pick(t.Context(), p.lab, d, v, labs.Options{})
	return err
}

func loadAll(t *testing.T) []scenario.Scenario {
	t.Helper()
	var list []scenario.Scenario
	for _, name := range scenarios.Names() {
		s, err := scenarios.Load(name, scenario.Short)
		if err != nil {
			t.Fatalf("scenario %s: %v", name, err)
		}
		list = append(list, s)
	}
	if len(list) == 0 {
		t.Fatal("there are no scenarios")
	}
	return list
}

// unfit lists the cells that cannot be run, with the reason why: a new hole is a visible change of this table.
var unfit = map[string]string{
	"broker-kill/sqlite":  "library",
	"broker-pause/sqlite": "library",
	"partition/sqlite":    "library",
	"chaos/sqlite":        "library",
	"slow-network/sqlite": "library",
	"broker-pause/memory": "shares its process",

	"step-cuts/sqlite":        "library",
	"step-cuts/mysql:lease":   "not understood",
	"step-cuts/couchdb:lease": "not understood",
	"step-cuts/nats:file":     "not understood",
}

// few are the brokers for a scenario that asks little of them: its faults leave them alone, and all, or all of a kind, do the
// same for it.
var few = map[string][]string{
	"beat":         {"memory", "redis:aof-always", "rabbitmq:quorum"},
	"two-queues":   {"memory", "redis:aof-always", "rabbitmq:quorum", "postgres:lease"},
	"worker-pause": {"redis:aof-always", "rabbitmq:quorum", "postgres:lease", "beanstalkd:binlog", "nats:file"},
	"terms":        {"memory", "redis:aof-always", "rabbitmq:quorum", "postgres:lease"},
	"order":        {"memory", "redis:aof-always", "rabbitmq:quorum", "postgres:lease"},
}

// pools are those that a scenario is run in where they differ in what it asks; others are run in that of their system.
var pools = map[string][]string{"chords": {"goroutine", "prefork"}}

// alone lists the cells that need the machine to themselves: FerretDB, where it stands in for MongoDB, reads all that
// waits for each claim, and PouchDB Server, where it stands in for CouchDB, does one thing at a time: both would keep up with
// the load only just.
var alone = map[string]bool{
	"steady/mongodb:lease": true, "burst/mongodb:lease": true, "steady/couchdb:lease": true, "burst/couchdb:lease": true,
	"leader-kill/rabbitmq:cluster": true, // three servers of its own, which must see each other in time
	"member-loss/rabbitmq:cluster": true,
	"step-cuts/mongodb:lease":      true, "child-kill/mongodb:lease": true, "child-kill/couchdb:lease": true,
}

// A void cell says that this machine was too busy to offer the load, and nothing about the system: it is run again,
// but not for ever.
const tries = 3

func runCell(t *testing.T, s scenario.Scenario, where placement) {
	for try := 1; ; try++ {
		cells, dir := runOnce(t, s, where)
		if i := slices.IndexFunc(cells, func(c harness.Cell) bool { return c.Outcome == harness.Void }); i >= 0 && try < tries {
			t.Logf("run again, since %q", cells[i].Warnings)
			continue
		}
		for _, cell := range cells {
			judgeCell(t, cell, s.Name+"/"+where.broker, dir)
		}
		return
	}
}

func runOnce(t *testing.T, s scenario.Scenario, where placement) ([]harness.Cell, string) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	dir := t.TempDir()
	plan, err := harness.NewPlan(ctx, harness.Request{
		Name: s.Name, Scenarios: []scenario.Scenario{s}, Brokers: []string{where.broker}, Pools: pools[s.Name], Seed: *seed, Lab: where.lab, Dir: dir,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s in lab %s", where.broker, plan.Cells[0].Lab.Name())
	result, err := harness.Run(ctx, plan, func(p harness.Progress) {
		if p.Note != "" {
			t.Log(p.Note)
		}
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, logs(dir))
	}
	if _, err := reports.WriteAll(ctx, dir, result); err != nil {
		t.Fatalf("write the report: %v", err)
	}
	return result.Cells, dir
}

func judgeCell(t *testing.T, cell harness.Cell, key, dir string) {
	if cell.Outcome == harness.Unfit && (cell.Lab != labs.Docker && strings.Contains(cell.Warnings[0], "inside its container: use lab docker") ||
		cell.Lab != labs.Process && strings.Contains(cell.Warnings[0], "use lab process")) { // package harness tries these there
		t.Logf("cannot be run in lab %s: %s", cell.Lab, cell.Warnings[0])
		return
	}
	if why, expected := unfit[key]; expected != (cell.Outcome == harness.Unfit) || expected && !strings.Contains(cell.Warnings[0], why) {
		t.Fatalf("outcome %s %q; expected to be unfit: %v (%s)", cell.Outcome, cell.Warnings, expected, why)
	}
	if cell.Outcome == harness.Unfit {
		t.Logf("cannot be run: %s", cell.Warnings[0])
		return
	}
	t.Logf("pool %s: %s: %+v, warnings %q", cell.Pool, cell.Outcome, cell.Counts, cell.Warnings)
	if cell.Outcome != harness.Pass {
		for _, e := range cell.Expectations {
			t.Logf("expected %s: held %v, value %v %s", e.Expect, e.Held, e.Value, e.Why)
		}
		for _, f := range cell.Findings[:min(len(cell.Findings), 10)] {
			t.Logf("finding %s: %s %s", f.Check, f.ID, f.Text)
		}
		keep := preserve(t, dir, key)
		t.Fatalf("outcome %s: repeat it with -run '%s' -seed %d; the result is kept in %s", cell.Outcome, t.Name(), *seed, keep)
	}
}

// preserve copies a failed run's directory to where the test's end does not remove it.
func preserve(t *testing.T, dir, key string) string {
	keep, err := os.MkdirTemp("", "taskbench-failed-"+strings.NewReplacer("/", "-", ":", "-").Replace(key)+"-")
	if err != nil {
		t.Logf("keep the result: %v", err)
		return dir
	}
	if err := os.CopyFS(keep, os.DirFS(dir)); err != nil {
		t.Logf("keep the result: %v", err)
	}
	return keep
}

func logs(dir string) string {
	var b strings.Builder
	paths, _ := filepath.Glob(filepath.Join(dir, "logs", "*"))
	for _, p := range paths {
		text, _ := os.ReadFile(p)
		if len(text) > 2000 {
			text = text[len(text)-2000:]
		}
		fmt.Fprintf(&b, "--- %s\n%s\n", filepath.Base(p), text)
	}
	return b.String()
}

func sweep(t *testing.T) {
	report, err := leftovers.Sweep(t.Context())
	if err != nil {
		t.Fatalf("sweep the leftovers of runs that were killed: %v", err)
	}
	t.Log(report)
}

// Every scenario asks something, expects something, and is named after its file.
func TestScenariosAreWhole(t *testing.T) {
	names := scenarios.Names()
	for _, want := range []string{"steady", "broker-kill", "broker-pause", "partition", "worker-kill", "child-kill", "leak", "crash-loop", "burst", "step-cuts", "chaos", "slow-network", "rolling-restart", "leader-kill", "member-loss", "chords", "queue-limit", "beat", "result-cuts", "two-queues", "disk-full", "worker-pause", "terms", "order"} {
		if !slices.Contains(names, want) {
			t.Errorf("no scenario %s", want)
		}
	}
	for _, name := range names {
		for _, profile := range []scenario.Profile{scenario.Full, scenario.Short} {
			s, err := scenarios.Load(name, profile)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if s.Name != name || !strings.HasSuffix(strings.TrimSpace(s.Asks), "?") || len(s.Expect) == 0 {
				t.Errorf("%s: name %q, asks %q, %d expectations", name, s.Name, s.Asks, len(s.Expect))
			}
		}
	}
}

// Whatever the seed, ten minutes of chaos are many faults of many kinds.
func TestChaosIsRestless(t *testing.T) {
	s, err := scenarios.Load("chaos", scenario.Full)
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(100) {
		r, err := scenario.Realise(s, seed)
		if err != nil {
			t.Fatal(err)
		}
		kinds := map[string]int{}
		for _, f := range r.Faults {
			kinds[f.Node+"/"+f.Fault]++
		}
		if len(r.Faults) < 40 || len(kinds) < 8 {
			t.Errorf("seed %d: %d faults of %d kinds", seed, len(r.Faults), len(kinds))
		}
	}
}

// Every driver is tried by some placement.
func TestEveryBrokerIsPlaced(t *testing.T) {
	placed := map[string]bool{}
	for _, p := range placements("auto") {
		name, _, _ := strings.Cut(p.broker, ":")
		placed[name] = true
	}
	for _, d := range all.Drivers() {
		if !placed[d.Name] {
			t.Errorf("broker %s is in no placement", d.Name)
		}
	}
}

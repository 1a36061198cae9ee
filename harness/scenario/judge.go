package scenario

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A judge looks at a scenario as a whole, once it could be read.
type judge struct {
	*reader
	Known
	s *Scenario
}

func (j judge) all() {
	j.heading()
	j.workload()
	j.load()
	j.system()
	j.schedule()
	j.chaos()
	for _, e := range j.s.Expect {
		for _, expr := range []string{e.When, e.Expr} {
			if expr == "" || j.Expect == nil {
				continue
			}
			if err := j.Expect(expr); err != nil {
				j.problems = append(j.problems, Problem{File: j.file, Line: e.Line, Text: fmt.Sprintf("expectation %s: %v", expr, err)})
			}
		}
	}
	j.run()
}

var nameForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

func (j judge) heading() {
	switch {
	case j.s.Name == "":
		j.wrong("name", "a scenario needs a name")
	case !nameForm.MatchString(j.s.Name):
		j.wrong("name", fmt.Sprintf("%q: want lower-case words joined by hyphens", j.s.Name))
	}
	if j.s.Asks == "" {
		j.wrong("asks", "a scenario needs a question that it asks")
	}
}

// maxPayload keeps messages within what every broker takes.
const maxPayload = 1 << 20

func (j judge) workload() {
	if len(j.s.Workload.Tasks) == 0 {
		j.wrong("workload.tasks", "a workload needs a task")
	}
	if n := j.s.Workload.Name; n != "" && !nameForm.MatchString(n) && j.lines["workload.name"] != 0 {
		j.wrong("workload.name", fmt.Sprintf("%q: want lower-case words joined by hyphens", n))
	}
	if j.s.Workload.Chord > 0 && j.s.System.Results == "" {
		j.wrong("workload.chord", "the body of a chord waits for the results of its header, and none are kept: say results: broker in system")
	}
	for i := range j.s.Workload.Tasks {
		j.mix(join("workload.tasks", strconv.Itoa(i)), &j.s.Workload.Tasks[i])
	}
}

// anyTask are the keys of a mix that mean something to every task.
var anyTask = []string{"task", "weight", "payload", "eta", "expires", "soft", "limit", "keys", "queue"}

func (j judge) mix(path string, t *TaskMix) {
	if t.Payload > maxPayload {
		j.wrong(join(path, "payload"), fmt.Sprintf("%s is above the largest, %s", FormatSize(int64(t.Payload)), FormatSize(maxPayload)))
	}
	if err := t.Duration.check(); err != nil {
		j.wrong(join(path, "duration"), err.Error())
	}
	if t.Queue != "" && !nameForm.MatchString(t.Queue) {
		j.wrong(join(path, "queue"), fmt.Sprintf("%q: want lower-case words joined by hyphens", t.Queue))
	}
	for _, asked := range []struct { // in the order in which they are told
		key string
		d   time.Duration
	}{{"eta", t.ETA}, {"expires", t.Expires}, {"soft", t.Soft}, {"limit", t.Limit}} {
		if asked.d < 0 {
			j.wrong(join(path, asked.key), "must not be negative")
		}
	}
	known := names(j.Tasks, func(s TaskSpec) string { return s.Name })
	spec, ok := j.task(t.Task)
	if !ok {
		j.wrong(join(path, "task"), unknown("task", t.Task, known))
		return
	}
	takes := paramNames(spec.Params)
	given := map[string]bool{}
	for _, f := range t.block().fields {
		given[f.key] = f.write() != nil
		if !given[f.key] || slices.Contains(anyTask, f.key) || slices.Contains(takes, f.key) {
			continue
		}
		text := fmt.Sprintf("task %s takes no %s", t.Task, f.key)
		if len(takes) > 0 {
			text += ": it takes " + strings.Join(takes, ", ")
		}
		j.wrong(join(path, f.key), text)
	}
	for _, need := range spec.Needs {
		have := 0
		for key := range strings.SplitSeq(need, "|") {
			if given[key] {
				have++
			}
		}
		if have != 1 {
			j.wrong(path, fmt.Sprintf("task %s needs %s", t.Task, strings.ReplaceAll(need, "|", " or else ")))
		}
	}
}

// loadKeys are the keys that mean something to a shape only.
var loadKeys = map[string][]string{
	"constant": {"rate"},
	"poisson":  {"rate"},
	"ramp":     {"from", "rate"},
	"burst":    {"burst", "every"},
}

func (j judge) load() {
	l := &j.s.Load
	if l.For <= 0 {
		j.wrong("load.for", "must be above 0: how long is the load?")
	}
	if l.Warmup < 0 {
		j.wrong("load.warmup", "must not be negative")
	}
	if j.problems.touch("load.shape") {
		return // which keys it should have is anybody's guess
	}
	for _, f := range l.table().fields {
		takes := loadKeys[l.Shape]
		given := f.write() != nil
		switch {
		case slices.Contains(takes, f.key):
			if !given && f.key != "from" {
				j.wrong(join("load", f.key), fmt.Sprintf("a %s load needs %s", l.Shape, f.key))
			}
		case slices.Contains([]string{"rate", "from", "burst", "every"}, f.key) && given:
			j.wrong(join("load", f.key), fmt.Sprintf("a %s load takes no %s: it takes %s", l.Shape, f.key, strings.Join(takes, ", ")))
		}
	}
	if l.Every < 0 {
		j.wrong("load.every", "must be above 0")
	}
}

// leastEvery keeps the ticks of a run few: all of them are kept one by one.
const leastEvery = 10 * time.Millisecond

func (j judge) system() {
	y := &j.s.System
	if !slices.Contains(j.Systems, y.Name) {
		j.wrong("system.name", unknown("system", y.Name, j.Systems))
	}
	if !slices.Contains(j.Pools, y.Pool) {
		j.wrong("system.pool", unknown("pool", y.Pool, j.Pools))
	}
	switch b := y.Beat; {
	case b != Beat{} && b.Every == 0:
		j.wrong("system.beat", "a beat needs every: how long is it from one tick to the next?")
	case b.Every > 0 && b.Every < leastEvery:
		j.wrong("system.beat.every", fmt.Sprintf("%s is below the least, %s", FormatDuration(b.Every), FormatDuration(leastEvery)))
	case j.s.Load.For > 0 && b.Every > j.s.Load.For:
		j.wrong("system.beat.every", fmt.Sprintf("%s is longer than the load, %s: no tick might be due in it", FormatDuration(b.Every), FormatDuration(j.s.Load.For)))
	case b.Beats > 2:
		j.wrong("system.beat.beats", "there is one beat, or there are two of which one fires")
	}
}

func (j judge) run() {
	for i, pool := range j.s.Run.Pools {
		if !slices.Contains(j.Pools, pool) {
			j.wrong(join("run.pools", strconv.Itoa(i)), unknown("pool", pool, j.Pools))
		}
	}
	for i, broker := range j.s.Run.Brokers {
		if j.Broker == nil {
			break
		}
		if err := j.Broker(broker); err != nil {
			j.wrong(join("run.brokers", strconv.Itoa(i)), err.Error())
		}
	}
}

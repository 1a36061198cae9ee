package worker

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"taskbench/brokers"
	"taskbench/worker/control"
	"taskbench/worker/message"
	"taskbench/worker/pool"
)

// A sight is what remote control sees of an attempt.
type sight struct {
	stage   int32
	since   time.Time
	attempt *attempt // for its identity alone
	number  uint64   // of the attempt
	task    message.Task
	early   bool
	again   bool
}

// see looks at all attempts in hand, those first that came to their stage first. Where the pool does not tell of
// starts, those that have been in it for longest are taken for running, as many as it has places.
func (w *Worker) see() []sight {
	var all []sight
	w.memory.all(func(a *attempt) {
		all = append(all, sight{
			stage: a.stage.Load(), since: time.Unix(0, a.since.Load()), attempt: a,
			number: a.job.Attempt, task: a.job.Task, early: a.task != nil && a.task.early, again: a.job.Redelivered,
		})
	})
	slices.SortFunc(all, func(x, y sight) int { return x.since.Compare(y.since) })
	places := (*w.pool.Load()).Size()
	for i := range all {
		if all[i].stage == begun {
			places--
		}
	}
	if !w.inProcess {
		for i := range all {
			if all[i].stage == queued && places > 0 {
				all[i].stage = begun
				places--
			}
		}
	}
	return all
}

// active are the attempts that run.
func (w *Worker) active() []sight {
	if w.pool.Load() == nil {
		return nil
	}
	return slices.DeleteFunc(w.see(), func(s sight) bool { return s.stage != begun })
}

// pidOf is the process that runs an attempt: a child of the pool's, or this one.
func (w *Worker) pidOf(attempt uint64) int {
	if l, ok := (*w.pool.Load()).(pool.Locator); ok {
		if pid := l.Locate(attempt); pid != 0 {
			return pid
		}
	}
	return w.pid
}

// info describes an attempt; safe shows its arguments as text.
func (w *Worker) info(s sight, safe bool) control.TaskInfo {
	t := &s.task
	i := control.TaskInfo{
		ID: t.ID, Name: t.Name, Type: t.Name, Hostname: w.config.Name, Args: []any{}, Kwargs: map[string]any{},
		DeliveryInfo: control.DeliveryInfo{RoutingKey: t.Message.Queue, Priority: int(t.Message.Priority), Redelivered: &s.again},
	}
	if shadow, ok := t.Message.Headers["shadow"].(string); ok && shadow != "" {
		i.Name = shadow
	}
	if s.stage == begun {
		pid := w.pidOf(s.number)
		i.TimeStart, i.WorkerPID, i.Acknowledged = control.UnixTime(s.since), &pid, s.early
	}
	if safe {
		i.Args, i.Kwargs = reprsOf(t)
		return i
	}
	if b, err := t.Body(); err == nil {
		if b.Args != nil {
			i.Args = plainAll(b.Args)
		}
		if b.Kwargs != nil {
			kwargs := map[string]json.RawMessage{}
			for name, raw := range b.Kwargs {
				kwargs[name] = plainJSON(raw)
			}
			i.Kwargs = kwargs
		}
	}
	return i
}

func plainAll(raws []json.RawMessage) []json.RawMessage {
	all := make([]json.RawMessage, len(raws))
	for i, raw := range raws {
		all[i] = plainJSON(raw)
	}
	return all
}

// plainJSON keeps what encoding/json takes, and shows the rest, such as NaN, as text.
func plainJSON(raw json.RawMessage) json.RawMessage {
	if json.Valid(raw) {
		return raw
	}
	quoted, _ := json.Marshal(string(raw)) // a string always encodes
	return quoted
}

// infos describes those attempts that are meant.
func (w *Worker) infos(a args, meant func(sight) bool) []control.TaskInfo {
	safe := string(a["safe"]) == "true"
	all := []control.TaskInfo{}
	for _, s := range w.see() {
		if meant(s) {
			all = append(all, w.info(s, safe))
		}
	}
	return all
}

func (w *Worker) remoteActive(a args) any {
	return w.infos(a, func(s sight) bool { return s.stage == begun })
}

func (w *Worker) remoteReserved(a args) any {
	return w.infos(a, func(s sight) bool { return s.stage == reserved || s.stage == queued })
}

func (w *Worker) remoteScheduled(a args) any {
	all := []control.Scheduled{}
	sights := slices.DeleteFunc(w.see(), func(s sight) bool { return s.stage != waiting })
	slices.SortFunc(sights, func(x, y sight) int { return x.task.ETA.Compare(y.task.ETA) })
	for _, s := range sights {
		all = append(all, control.Scheduled{ETA: message.FormatTime(s.task.ETA.UTC()), Priority: 6, Request: w.info(s, string(a["safe"]) == "true")})
	}
	return all
}

func (w *Worker) remoteQuery(_ context.Context, a args) (any, error) {
	ids, err := list(a, "ids")
	if err != nil {
		return nil, err
	}
	found := map[string]control.Found{}
	for _, s := range w.see() {
		if !slices.Contains(ids, s.task.ID) {
			continue
		}
		state := map[int32]string{begun: "active", reserved: "reserved", queued: "reserved", waiting: "ready"}[s.stage]
		found[s.task.ID] = control.Found{State: state, Info: w.info(s, false)}
	}
	return found, nil
}

func (w *Worker) remoteRegistered(_ context.Context, a args) (any, error) {
	builtins, err := control.Bool(a, "builtins")
	if err != nil {
		return nil, err
	}
	names := []string{}
	for name, t := range w.tasks {
		if builtin(name) && !builtins {
			continue
		}
		if l := t.bucket.Limit(); l > 0 {
			name += " [rate_limit=" + l.String() + "]"
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

func (w *Worker) remoteQueues() any {
	all := []control.Queue{}
	for _, name := range w.Queues() {
		at := brokers.Binding{Queue: name}
		for _, b := range w.config.Bindings {
			if b.Queue == name {
				at = b
			}
		}
		all = append(all, control.QueueOf(at))
	}
	return all
}

// remoteReport is for people.
func (w *Worker) remoteReport() string {
	var out bytes.Buffer
	fmt.Fprintf(&out, "\nsoftware -> taskbench:%s go:%s\nplatform -> system:%s arch:%s\nworker   -> %s pid:%d\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH, w.config.Name, w.pid)
	fmt.Fprintf(&out, "broker   -> %s:%s\npool     -> %s, %d places\nqueues   -> %s\n", w.options.Driver.Name, w.variant.Name, w.config.Pool, (*w.pool.Load()).Size(), strings.Join(w.Queues(), ", "))
	return out.String()
}

// remoteConf is the configuration without what may hold a password.
func (w *Worker) remoteConf() (any, error) {
	c := w.config
	c.URL = "********"
	raw, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	var all map[string]any
	err = json.Unmarshal(raw, &all)
	return all, err
}

// memSample is how much memory this process takes, as Celery writes it.
func memSample() string {
	raw, _ := os.ReadFile("/proc/self/statm")
	fields := strings.Fields(string(raw))
	if len(fields) < 2 {
		return "N/A"
	}
	pages, _ := strconv.ParseFloat(fields[1], 64)
	return fmt.Sprintf("%.3fMB", pages*float64(os.Getpagesize())/(1<<20))
}

// mean is n for each of m, as text.
func mean(n, m uint64) string {
	return strconv.FormatFloat(float64(n)/float64(cmp.Or(m, 1)), 'f', 2, 64)
}

// version is this program's, as its build says.
func version() string {
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" {
		return b.Main.Version
	}
	return "unknown"
}

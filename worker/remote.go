package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"

	"taskbench/worker/control"
	"taskbench/worker/rate"
)

// handlers are Celery's commands of remote control, by their names.
func (w *Worker) handlers() map[string]control.Handler {
	all := control.Basics(w.config.Name, w.clock, w.revoked.IDs, w.learn)
	maps.Copy(all, map[string]control.Handler{
		"active":                    func(_ context.Context, a args) (any, error) { return w.remoteActive(a), nil },
		"reserved":                  func(_ context.Context, a args) (any, error) { return w.remoteReserved(a), nil },
		"scheduled":                 func(_ context.Context, a args) (any, error) { return w.remoteScheduled(a), nil },
		"query_task":                w.remoteQuery,
		"registered":                w.remoteRegistered,
		"active_queues":             func(context.Context, args) (any, error) { return w.remoteQueues(), nil },
		"stats":                     func(context.Context, args) (any, error) { return w.remoteStats(), nil },
		"report":                    func(context.Context, args) (any, error) { return control.OK("%s", w.remoteReport()), nil },
		"conf":                      func(context.Context, args) (any, error) { return w.remoteConf() },
		"revoked":                   func(context.Context, args) (any, error) { return append([]string{}, w.revoked.IDs()...), nil },
		"memsample":                 func(context.Context, args) (any, error) { return memSample(), nil },
		"revoke":                    w.remoteRevoke,
		"terminate":                 w.remoteTerminate,
		"revoke_by_stamped_headers": w.remoteRevokeStamps,
		"rate_limit":                w.remoteRateLimit,
		"time_limit":                w.remoteTimeLimit,
		"pool_grow":                 func(_ context.Context, a args) (any, error) { return w.remoteResize(a, 1) },
		"pool_shrink":               func(_ context.Context, a args) (any, error) { return w.remoteResize(a, -1) },
		"pool_restart":              w.remoteRestart,
		"autoscale":                 w.remoteAutoscale,
		"add_consumer":              w.remoteAddConsumer,
		"cancel_consumer":           w.remoteCancelConsumer,
		"enable_events":             func(context.Context, args) (any, error) { return w.remoteEvents(true), nil },
		"disable_events":            func(context.Context, args) (any, error) { return w.remoteEvents(false), nil },
		"heartbeat":                 func(context.Context, args) (any, error) { w.events.Heartbeat(); return nil, nil },
		"shutdown":                  func(context.Context, args) (any, error) { w.Stop(Warm); return nil, control.ErrNoReply },
	})
	return all
}

type args = map[string]json.RawMessage

// list is an argument that is one text or a list of them; none is no list.
func list(a args, name string) ([]string, error) {
	if raw, there := a[name]; !there || string(raw) == "null" || string(raw) == `""` {
		return nil, nil
	}
	return control.Strings(a, name)
}

// remoteRevoke has tasks not be run, and ends those that are running where that is asked for.
func (w *Worker) remoteRevoke(_ context.Context, a args) (any, error) {
	ids, err := list(a, "task_id")
	if err != nil {
		return nil, err
	}
	terminate, err := control.Bool(a, "terminate")
	if err != nil {
		return nil, err
	}
	w.learn(ids)
	if terminate {
		return w.terminate(a, ids)
	}
	quoted := make([]string, len(ids))
	for i, id := range ids {
		quoted[i] = "'" + id + "'"
	}
	return control.OK("tasks {%s} flagged as revoked", strings.Join(quoted, ", ")), nil
}

func (w *Worker) remoteTerminate(_ context.Context, a args) (any, error) {
	ids, err := list(a, "task_id")
	if err != nil {
		return nil, err
	}
	w.learn(ids)
	return w.terminate(a, ids)
}

// terminate ends running attempts at tasks.
func (w *Worker) terminate(a args, ids []string) (any, error) {
	sig, err := signalOf(a)
	if err != nil {
		return nil, err
	}
	ended := w.kill(sig, func(at *attempt) bool { return slices.Contains(ids, at.key.id) })
	if len(ended) == 0 {
		return control.OK("terminate: tasks unknown"), nil
	}
	return control.OK("terminate: %s", strings.Join(ended, ", ")), nil
}

// kill ends the running attempts that are meant, and returns their tasks.
func (w *Worker) kill(sig syscall.Signal, meant func(*attempt) bool) (ended []string) {
	numbers := map[string]uint64{}
	w.memory.all(func(at *attempt) {
		if at.stage.Load() >= queued && meant(at) {
			at.signal.Store(int32(sig))
			numbers[at.key.id] = at.job.Attempt
		}
	})
	for id, n := range numbers {
		if w.manager().Kill(n, sig) {
			ended = append(ended, id)
		}
	}
	slices.Sort(ended)
	return ended
}

var signals = map[string]syscall.Signal{
	"HUP": syscall.SIGHUP, "INT": syscall.SIGINT, "QUIT": syscall.SIGQUIT, "KILL": syscall.SIGKILL,
	"TERM": syscall.SIGTERM, "USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2, "ABRT": syscall.SIGABRT,
}

// signalOf reads the signal of a command: a name, with or without SIG, or a number; none is SIGTERM.
func signalOf(a args) (syscall.Signal, error) {
	var n int
	if json.Unmarshal(a["signal"], &n) == nil && n > 0 {
		return syscall.Signal(n), nil
	}
	name, err := control.Arg(a, "signal", "")
	if err != nil {
		return 0, err
	}
	if name == "" {
		return syscall.SIGTERM, nil
	}
	sig, known := signals[strings.TrimPrefix(strings.ToUpper(name), "SIG")]
	if !known {
		return 0, control.Raise("KeyError", "%s", name)
	}
	return sig, nil
}

// remoteRevokeStamps has the tasks not be run that are stamped with one of the values.
func (w *Worker) remoteRevokeStamps(_ context.Context, a args) (any, error) {
	raw, err := control.Arg(a, "headers", args{})
	if err != nil {
		return nil, err
	}
	terminate, err := control.Bool(a, "terminate")
	if err != nil {
		return nil, err
	}
	headers, texts := map[string][]string{}, []string{}
	for name := range raw {
		values, err := list(raw, name)
		if err != nil {
			return nil, err
		}
		headers[name] = values
		texts = append(texts, fmt.Sprintf("'%s': ['%s']", name, strings.Join(values, "', '")))
	}
	slices.Sort(texts)
	said := "headers {" + strings.Join(texts, ", ") + "} flagged as revoked"
	if err := w.revoked.AddStamps(headers); err != nil {
		w.log.Error("revoked stamps are known until the worker ends, and no longer", "worker", w.config.Name, "err", err)
	}
	if !terminate {
		return control.OK("%s, but not terminated", said), nil
	}
	sig, err := signalOf(a)
	if err != nil {
		return nil, err
	}
	w.kill(sig, func(at *attempt) bool { return w.revoked.HasStamp(at.job.Task.Message.Headers) })
	return control.OK("%s", said), nil
}

// remoteRateLimit paces a task anew.
func (w *Worker) remoteRateLimit(_ context.Context, a args) (any, error) {
	name, err := control.Arg(a, "task_name", "")
	if err != nil {
		return nil, err
	}
	text := strings.Trim(string(a["rate_limit"]), `"`)
	if text == "null" {
		text = ""
	}
	limit, err := rate.Parse(text)
	if err != nil {
		return control.Refused("Invalid rate limit string: ValueError('%s')", text), nil
	}
	t := w.tasks[name]
	if t == nil {
		return control.Refused("unknown task"), nil
	}
	t.setRate(limit)
	if limit == 0 {
		return control.OK("rate limit disabled successfully"), nil
	}
	return control.OK("new rate limit set successfully"), nil
}

// remoteTimeLimit sets the time limits of a task, for the attempts that begin from now on.
func (w *Worker) remoteTimeLimit(_ context.Context, a args) (any, error) {
	name, err := control.Arg(a, "task_name", "")
	if err != nil {
		return nil, err
	}
	soft, err := control.Arg(a, "soft", 0.0)
	if err != nil {
		return nil, err
	}
	hard, err := control.Arg(a, "hard", 0.0)
	if err != nil {
		return nil, err
	}
	t := w.tasks[name]
	if t == nil {
		return control.Refused("unknown task"), nil
	}
	if soft < 0 || hard < 0 || soft > 1e9 || hard > 1e9 {
		return nil, control.Raise("ValueError", "a time limit is a number of seconds from 0 on")
	}
	t.setLimits(seconds(soft), seconds(hard))
	return control.OK("time limits set successfully"), nil
}

package interop_test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"taskbench/worker/control"
)

// A sight is something that Flower shows of a worker, or has it do.
type sight struct {
	name string
	see  func(ctx context.Context, w *watched) error
}

// sights are in the order in which they are held to a worker, which is gone after the last.
var sights = []sight{
	{"online", func(ctx context.Context, w *watched) error {
		return until(ctx, func() (bool, error) {
			var alive map[string]bool
			err := w.get(ctx, "/api/workers?status=1", &alive)
			return alive[w.node], err
		})
	}},
	{"worker", func(ctx context.Context, w *watched) error {
		var all map[string]shownWorker
		err := until(ctx, func() (bool, error) { // who answers too late is missing
			err := w.get(ctx, "/api/workers?refresh=1", &all)
			s := all[w.node]
			return s.Queues != nil && s.Registered != nil && s.Conf != nil && s.Stats.PID != 0, err
		})
		s := all[w.node]
		switch {
		case err != nil:
		case len(s.Queues) != 1 || s.Queues[0].Name != w.queue || s.Queues[0].RoutingKey != w.queue || !s.Queues[0].Durable || s.Queues[0].Exchange.Type != "direct":
			err = fmt.Errorf("its queues are shown as %+v", s.Queues)
		case s.Stats.PID != w.process.PID || s.Stats.Pool.MaxConcurrency != w.places || len(s.Stats.Pool.Processes) != w.places:
			err = fmt.Errorf("process %d with %d places is shown as %+v", w.process.PID, w.places, s.Stats)
		case !slices.Contains([]string{"redis", "amqp"}, s.Stats.Broker.Transport) || s.Stats.PrefetchCount == 0:
			err = fmt.Errorf("its statistics are %+v", s.Stats)
		case !slices.Contains(s.Registered, "lab.add") || !slices.Contains(s.Registered, "lab.swap") || slices.ContainsFunc(s.Registered, builtin):
			err = fmt.Errorf("its tasks are %q", s.Registered)
		}
		return err
	}},
	{"tasks", func(ctx context.Context, w *watched) error {
		ids, err := w.sends(ctx, `add.delay(2, y=3), fail.delay("boom"), again.delay(2)`)
		if err != nil {
			return err
		}
		added, err := w.task(ctx, ids[0], "SUCCESS")
		if err != nil {
			return err
		}
		if added.Name != "lab.add" || added.Args != "(2,)" || added.Kwargs != "{'y': 3}" || added.Result != "5" || added.Runtime <= 0 ||
			added.Received == 0 || added.Started < added.Received || added.Succeeded < added.Started || added.Failed != 0 || added.Exception != "" {
			return fmt.Errorf("the one that succeeds is shown as %+v", added)
		}
		failed, err := w.task(ctx, ids[1], "FAILURE")
		if err != nil {
			return err
		}
		if failed.Name != "lab.fail" || failed.Args != "('boom',)" || failed.Exception != "ValueError('boom')" || failed.Failed < failed.Started ||
			!strings.Contains(failed.Traceback, "ValueError: boom") || failed.Succeeded != 0 || failed.Result != "" {
			return fmt.Errorf("the one that fails is shown as %+v", failed)
		}
		retried, err := w.task(ctx, ids[2], "SUCCESS")
		if err != nil {
			return err
		}
		if retried.Name != "lab.again" || retried.Retried == 0 || retried.Exception != "RuntimeError('not yet')" || retried.Result != "2" {
			return fmt.Errorf("the one that is retried is shown as %+v", retried)
		}
		// Events of the tries of one task may come in another order than they were sent.
		for state, want := range map[string][]string{"SUCCESS": {ids[0], ids[2]}, "FAILURE": {ids[1]}} {
			var listed map[string]shownTask
			err := until(ctx, func() (bool, error) {
				listed = nil
				if err := w.get(ctx, "/api/tasks?state="+state+"&workername="+url.QueryEscape(w.node), &listed); err != nil {
					return false, err
				}
				for _, id := range ids {
					if _, there := listed[id]; there != slices.Contains(want, id) {
						return false, nil
					}
				}
				return true, nil
			})
			if err != nil {
				return fmt.Errorf("of its tasks, %s are listed as %s, want %s: %w", fmt.Sprint(listed), state, want, err)
			}
		}
		return nil
	}},
	{"metrics", func(ctx context.Context, w *watched) error {
		return w.measures(ctx,
			fmt.Sprintf(`flower_worker_online{worker=%q} 1.0`, w.node),
			fmt.Sprintf(`flower_events_total{task="lab.add",type="task-succeeded",worker=%q} 1.0`, w.node),
			fmt.Sprintf(`flower_events_total{task="lab.fail",type="task-failed",worker=%q} 1.0`, w.node),
			fmt.Sprintf(`flower_events_total{task="lab.again",type="task-received",worker=%q} 3.0`, w.node),
			fmt.Sprintf(`flower_events_total{task="lab.again",type="task-retried",worker=%q} 2.0`, w.node),
			fmt.Sprintf(`flower_task_runtime_seconds_count{task="lab.add",worker=%q} 1.0`, w.node),
			fmt.Sprintf(`flower_worker_prefetched_tasks{task="lab.fail",worker=%q} 0.0`, w.node),
			fmt.Sprintf(`flower_worker_number_of_currently_executing_tasks{worker=%q} 0.0`, w.node),
		)
	}},
	{"revoke", func(ctx context.Context, w *watched) error {
		ids, err := w.sends(ctx, `add.apply_async((1, 1), countdown=5)`)
		if err != nil {
			return err
		}
		if _, err := w.task(ctx, ids[0], "RECEIVED"); err != nil {
			return err
		}
		if err := w.post(ctx, "/api/task/revoke/"+ids[0]); err != nil {
			return err
		}
		if err := w.becomes(ctx, "the revocation", func(s shownWorker) bool { return slices.Contains(s.Revoked, ids[0]) }); err != nil {
			return err
		}
		s, err := w.task(ctx, ids[0], "REVOKED")
		if err == nil && (s.Revoked == 0 || s.Started != 0) {
			err = fmt.Errorf("it is shown as %+v", s)
		}
		return err
	}},
	{"terminate", func(ctx context.Context, w *watched) error {
		ids, err := w.sends(ctx, `sleep.delay(600)`)
		if err != nil {
			return err
		}
		if _, err := w.task(ctx, ids[0], "STARTED"); err != nil {
			return err
		}
		err = w.becomes(ctx, "the task in one of its processes", func(s shownWorker) bool {
			for _, t := range s.Active {
				if t.ID == ids[0] && t.Name == "lab.sleep" && t.Args == "(600,)" && t.WorkerPID != nil {
					return slices.Contains(s.Stats.Pool.Processes, *t.WorkerPID)
				}
			}
			return false
		})
		if err != nil {
			return err
		}
		if err := w.post(ctx, "/api/task/revoke/"+ids[0]+"?terminate=true"); err != nil {
			return err
		}
		if _, err := w.task(ctx, ids[0], "REVOKED"); err != nil {
			return err
		}
		return w.becomes(ctx, "the end of the task", func(s shownWorker) bool { return len(s.Active) == 0 })
	}},
	{"pool", func(ctx context.Context, w *watched) error {
		for _, step := range []struct {
			command, n string
			places     int
		}{{"grow", "2", w.places + 2}, {"shrink", "1", w.places + 1}} {
			if err := w.post(ctx, "/api/worker/pool/"+step.command+"/"+w.node, "n", step.n); err != nil {
				return err
			}
			err := w.becomes(ctx, step.command, func(s shownWorker) bool { return len(s.Stats.Pool.Processes) == step.places })
			if err != nil {
				return err
			}
		}
		return nil
	}},
	{"limits", func(ctx context.Context, w *watched) error {
		if err := w.post(ctx, "/api/task/rate-limit/lab.limited", "workername", w.node, "ratelimit", "4/m"); err != nil {
			return err
		}
		err := w.becomes(ctx, "the rate limit", func(s shownWorker) bool {
			return slices.Contains(s.Registered, "lab.limited [rate_limit=4/m]")
		})
		if err != nil {
			return err
		}
		return w.post(ctx, "/api/task/timeout/lab.lasting", "workername", w.node, "soft", "100", "hard", "200")
	}},
	{"consumers", func(ctx context.Context, w *watched) error {
		extra := w.queue + "-more"
		for _, command := range []string{"add-consumer", "cancel-consumer"} {
			if err := w.post(ctx, "/api/worker/queue/"+command+"/"+w.node, "queue", extra); err != nil {
				return err
			}
			err := w.becomes(ctx, command, func(s shownWorker) bool {
				takes := slices.ContainsFunc(s.Queues, func(q control.Queue) bool { return q.Name == extra })
				return takes == (command == "add-consumer")
			})
			if err != nil {
				return err
			}
		}
		return nil
	}},
	{"pages", func(ctx context.Context, w *watched) error {
		for path, want := range map[string]string{"/worker/" + w.node: w.queue, "/workers": w.node} {
			text, err := w.page(ctx, path)
			if err != nil {
				return err
			}
			if !strings.Contains(text, want) {
				return fmt.Errorf("%s does not show %s", path, want)
			}
		}
		return nil
	}},
	{"shutdown", func(ctx context.Context, w *watched) error {
		if err := w.post(ctx, "/api/worker/shutdown/"+w.node); err != nil {
			return err
		}
		select {
		case <-w.process.Done():
		case <-ctx.Done():
			return fmt.Errorf("it does not end: %w", ctx.Err())
		}
		return w.measures(ctx, fmt.Sprintf(`flower_worker_online{worker=%q} 0.0`, w.node))
	}},
}

func builtin(task string) bool { return strings.HasPrefix(task, "celery.") }

// measures waits until Flower's metrics for Prometheus have all the lines.
func (w *watched) measures(ctx context.Context, lines ...string) error {
	var missing []string
	err := until(ctx, func() (bool, error) {
		text, err := w.page(ctx, "/metrics")
		missing = slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return strings.Contains(text, line+"\n") })
		return len(missing) == 0, err
	})
	if err != nil {
		return fmt.Errorf("%w for %q", err, missing)
	}
	return nil
}

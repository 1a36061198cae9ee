package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"taskbench/harness/scenario"
)

// controls are the commands that change what workers do.
var controls = map[string]remote{
	"revoke": {
		args: "ID...", doc: "let tasks not run; --terminate: nor go on", least: 1, most: anyNumber,
		build: func(args []string) (map[string]any, error) {
			return map[string]any{"task_id": args, "terminate": false, "signal": nil}, nil
		},
	},
	"terminate": {
		args: "SIGNAL ID...", doc: "revoke tasks, and signal those that run", least: 2, most: anyNumber,
		build: func(args []string) (map[string]any, error) {
			signal, err := parseSignal(args[0])
			return map[string]any{"signal": signal, "task_id": args[1:]}, err
		},
	},
	"rate_limit": {
		args: "TASK RATE", doc: "bound how often a task begins: 10/s, 10/m, 10/h, and 0 for no bound", least: 2, most: 2,
		build: func(args []string) (map[string]any, error) {
			rate, err := parseTaskRate(args[1])
			return map[string]any{"task_name": args[0], "rate_limit": rate}, err
		},
	},
	"time_limit": {
		args: "TASK SOFT [HARD]", doc: "bound how long a task runs, such as 30s; 0 is no bound", least: 2, most: 3,
		build: func(args []string) (map[string]any, error) {
			limits := map[string]any{"task_name": args[0], "hard": nil}
			for i, name := range []string{"soft", "hard"}[:len(args)-1] {
				seconds, err := parseLimit(args[i+1])
				if err != nil {
					return nil, fmt.Errorf("%s limit %s: %w", name, args[i+1], err)
				}
				limits[name] = seconds
			}
			return limits, nil
		},
	},
	"pool_grow":   {args: "[N]", doc: "add slots to the pool (1)", most: 1, build: slots("n")},
	"pool_shrink": {args: "[N]", doc: "take slots from the pool (1)", most: 1, build: slots("n")},
	"pool_restart": {
		doc:   "replace the processes of the pool",
		build: func([]string) (map[string]any, error) { return map[string]any{"modules": nil, "reload": false}, nil },
	},
	"autoscale": {args: "MAX [MIN]", doc: "let the pool grow and shrink between bounds", least: 1, most: 2, build: slots("max", "min")},
	"add_consumer": {
		args: "QUEUE [EXCHANGE [KIND [KEY]]]", doc: "consume one more queue", least: 1, most: 4,
		build: func(args []string) (map[string]any, error) {
			queue := map[string]any{"queue": args[0], "exchange": nil, "exchange_type": "direct", "routing_key": nil}
			for i, name := range []string{"exchange", "exchange_type", "routing_key"}[:len(args)-1] {
				queue[name] = args[i+1]
			}
			_, err := oneOf("direct", "topic", "fanout")(queue["exchange_type"].(string))
			return queue, err
		},
	},
	"cancel_consumer": {
		args: "QUEUE", doc: "consume a queue no more", least: 1, most: 1,
		build: func(args []string) (map[string]any, error) { return map[string]any{"queue": args[0]}, nil },
	},
	"enable_events":  {doc: "tell of tasks"},
	"disable_events": {doc: "tell of tasks no more"},
	"shutdown":       {doc: "finish what runs, and end", silent: true},
}

func (a *app) controlCommand() *cobra.Command {
	terminate, signal := false, ""
	c := &cobra.Command{
		Use:   "control",
		Short: "Tell workers what to do",
		Long:  "control tells workers, over their broker, to change what they do, and shows what each answers.",
		Example: `  bench control revoke 5e0a1c2e-9b0f-4a49-8a58-2f1f6b2c7d11 --broker redis://127.0.0.1:6379/0
  bench control rate_limit reports.build 10/m --broker amqp://127.0.0.1:5672/ -d web1@host`,
	}
	a.remoteCommand(c, controls, func(method string, args map[string]any) {
		if method == "revoke" && (terminate || signal != "") {
			args["terminate"] = true
			if signal != "" {
				args["signal"] = signal
			}
		}
	})
	c.Flags().BoolVar(&terminate, "terminate", false, "with revoke: stop the tasks where they run")
	valueFlag(a, c, &signal, "signal", "SIGNAL", "SIGTERM", "with revoke: by which signal; implies --terminate", parseSignal)
	run := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		if (terminate || signal != "") && len(args) > 0 && args[0] != "revoke" {
			a.mistake(fmt.Errorf("--terminate and --signal go with revoke, not with %s", args[0]))
		}
		return run(c, args)
	}
	return c
}

// slots builds whole numbers of at least 0, one for each name; those after the first may be left out.
func slots(names ...string) func([]string) (map[string]any, error) {
	return func(args []string) (map[string]any, error) {
		built := map[string]any{}
		for i, name := range names {
			if i >= len(args) {
				if name == "n" {
					built[name] = 1
				}
				continue
			}
			n, err := strconv.Atoi(args[i])
			if err != nil || n < 0 || n == 0 && i == 0 {
				return nil, fmt.Errorf("%s %s: want a whole number, not negative, and MAX and N at least 1", strings.ToUpper(name), args[i])
			}
			built[name] = n
		}
		return built, nil
	}
}

// parseLimit reads a duration, or a number of seconds as Celery takes it. No limit is null.
func parseLimit(s string) (any, error) {
	seconds, err := strconv.ParseFloat(s, 64)
	if err != nil {
		d, err := scenario.ParseDuration(s)
		if err != nil {
			return nil, err
		}
		seconds = d.Seconds()
	}
	switch {
	case !(seconds >= 0) || seconds > 1e9:
		return nil, fmt.Errorf("want a time of 0 or more")
	case seconds == 0:
		return nil, nil
	case seconds == float64(int64(seconds)):
		return int64(seconds), nil
	}
	return seconds, nil
}

// parseTaskRate reads a rate as Celery writes it.
func parseTaskRate(s string) (any, error) {
	number, unit, has := strings.Cut(s, "/")
	rate, err := strconv.ParseFloat(number, 64)
	if err != nil || !(rate >= 0) || rate > 1e12 || has && unit != "s" && unit != "m" && unit != "h" {
		return nil, fmt.Errorf("rate %s: want one such as 10/s, 10/m or 10/h, or 0", s)
	}
	if rate == 0 {
		return 0, nil
	}
	return s, nil
}

var signals = []string{"ABRT", "ALRM", "CONT", "HUP", "INT", "KILL", "QUIT", "STOP", "TERM", "USR1", "USR2"}

// parseSignal reads a signal's name, with or without its SIG.
func parseSignal(s string) (string, error) {
	name, err := oneOf(signals...)(strings.TrimPrefix(strings.ToUpper(s), "SIG"))
	return "SIG" + name, err
}

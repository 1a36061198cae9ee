package main

import "github.com/spf13/cobra"

// inspections are the commands that change nothing.
var inspections = map[string]remote{
	"ping":          {doc: "who is there"},
	"active":        {doc: "tasks that run", show: showTasks},
	"reserved":      {doc: "tasks that were taken and wait for a free slot", show: showTasks},
	"scheduled":     {doc: "tasks that were taken and wait for their time", show: showScheduled},
	"active_queues": {doc: "queues that are consumed", show: showQueues},
	"stats":         {doc: "counts, pool, connection and use of resources", show: showTree},
	"report":        {doc: "versions and settings, as text"},
	"revoked":       {doc: "ids of tasks that are not to run", show: showLines},
	"clock":         {doc: "the logical clock", show: showTree},
	"registered": {
		args: "[ATTRIBUTE...]", doc: "names of tasks, with the attributes named, such as rate_limit", most: anyNumber, show: showLines,
		build: func(args []string) (map[string]any, error) {
			if len(args) == 0 {
				return map[string]any{}, nil
			}
			return map[string]any{"taskinfoitems": args}, nil
		},
	},
	"conf": {doc: "settings that differ from the defaults", show: showTree},
	"query_task": {
		args: "ID...", doc: "what a worker knows of tasks", least: 1, most: anyNumber, show: showFound,
		build: func(args []string) (map[string]any, error) { return map[string]any{"ids": args}, nil },
	},
}

func (a *app) inspectCommand() *cobra.Command {
	return a.remoteCommand(&cobra.Command{
		Use:   "inspect",
		Short: "Ask workers what they are doing",
		Long:  "inspect asks workers, over their broker, and shows what each answers.",
		Example: `  bench inspect ping --broker redis://127.0.0.1:6379/0
  bench inspect active --broker amqp://127.0.0.1:5672/ -d web1@host,web2@host --json`,
	}, inspections, nil)
}

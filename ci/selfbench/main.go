// Command selfbench measures taskbench itself, so that what it says of others can be trusted: how well the load
// generator keeps its times, what the ledger and the checks cost, and how near a worker with all bookkeeping on comes
// to a client that does nothing but publish, consume and acknowledge; and the worker beside Celery's, asynq
// and River.
// `make bench-self` runs it. It exits with 1 when a goal was missed or a section could not be measured, after all sections.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"

	"taskbench/harness/systems/native"
)

// compared is the brokers of the section end-to-end unless others are asked for.
var compared = []string{
	"rabbitmq:quorum", "rabbitmq:classic", "redis:memory", "redis:aof-always", "redis:stream", "nats:file", "beanstalkd:binlog",
	"postgres:lease", "mysql:lease", "sqlite:wal", "mongodb:lease", "couchdb:lease", "memory",
}

type settings struct {
	brokers  []string
	messages int
	tasks    int
}

var sections = []section{
	{"generator", generator},
	{"end-to-end", endToEnd},
	{"ledger", evidence},
	{"judge", judge},
	{"celery", rivals},
	{"river", beside},
	{"queue-wait", queueWait},
	{"start", firstTask},
	{"idle", idle},
	{"beat", beatLoad},
}

func main() {
	native.Main() // this process may be a worker under measurement
	names := make([]string, len(sections))
	for i, s := range sections {
		names[i] = s.name
	}
	only := flag.String("only", strings.Join(names, ","), "sections to run")
	brokers := flag.String("brokers", strings.Join(compared, ","), "brokers of the section end-to-end")
	messages := flag.Int("messages", 40_000, "messages in each end-to-end measurement, at most")
	tasks := flag.Int("tasks", 10_000_000, "tasks that are judged")
	flag.Parse()
	wanted := strings.Split(*only, ",")
	for _, name := range wanted {
		if !slices.Contains(names, name) {
			fmt.Fprintf(os.Stderr, "selfbench: -only: there is no section %q; there is %s\n", name, strings.Join(names, ", "))
			os.Exit(2)
		}
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	s := settings{brokers: strings.Split(*brokers, ","), messages: *messages, tasks: *tasks}
	if !measure(ctx, sections, wanted, s, os.Stdout, os.Stderr) {
		os.Exit(1)
	}
}

package faults

import (
	"context"
	"fmt"
	"os"
	"time"

	"taskbench/harness/lab"
)

// large is how many bytes a message has for which no server has room in what it had taken before.
const large = 1 << 20

// recovering is how long a server that has room again may take to answer, before it is started again.
const recovering = 5 * time.Second

var _ = register(Fault{
	Name: "disk-full",
	Node: "broker",
	Ends: true, // some servers end over it
	Doc: "Fills the disk that holds the data of the broker's server, which has a small one of its own for that, until `for` has passed: the server " +
		"refuses what is published, does not answer, or ends, and is then started again. Beanstalkd, which takes room for ten megabytes at a time, " +
		"notices too late. Only servers that are processes of this machine have such disks, for root on Linux.",
	Unfit: func(s Setting) string {
		switch why := s.server(lab.Fill); {
		case why != "":
			return why
		case s.Lab != "process" && (s.Lab != "embedded" || s.within()):
			return "no server here has a disk of its own that could be filled: use lab process"
		case os.Geteuid() != 0:
			return "only root can give a server a disk of its own"
		}
		return ""
	},
	Inject: func(ctx context.Context, t Target, _ Args) (Effect, error) {
		info := t.Broker.Info()
		if err := t.Broker.Do(ctx, lab.Fill); err != nil {
			return Effect{}, fmt.Errorf("fill the disk of broker %s: %w", info.Product, err)
		}
		heal := func(ctx context.Context) (string, error) {
			if err := t.Broker.Do(ctx, lab.Free); err != nil {
				return "", fmt.Errorf("free the disk of broker %s: %w", info.Product, err)
			}
			if _, ended := t.Broker.Stats(ctx); ended == nil {
				if probe(ctx, t, info.URL, recovering) == nil {
					return "answers, with room on its disk", purge(ctx, t)
				}
				if _, ended := t.Broker.Stats(ctx); ended == nil { // it has given up, and its process has not
					if err := t.Broker.Do(ctx, lab.Kill); err != nil {
						return "", fmt.Errorf("end broker %s, which does not come back to itself: %w", info.Product, err)
					}
				}
			}
			said, err := startBroker(t)(ctx)
			if err != nil {
				return "", err
			}
			return said, purge(ctx, t)
		}
		refusal, err := awaitRefusal(ctx, t, false, large)
		if err != nil {
			return Effect{}, withdraw(ctx, heal, fmt.Errorf("fill the disk of broker %s: %w", info.Product, err))
		}
		how := "it runs"
		if _, err := t.Broker.Stats(ctx); err != nil {
			how = "it has ended"
		}
		return Effect{Node: info.Name, Proof: fmt.Sprintf("no room is left on its disk; %s; a publish is not taken: %v", how, trim(refusal)), Heal: heal}, nil
	},
})

package rabbitmq

import (
	"context"
	"fmt"
	"slices"

	"taskbench/brokers"
)

// Driver is RabbitMQ, with the queues that Celery declares.
var Driver = brokers.Driver{
	Name: "rabbitmq",
	Variants: []brokers.Variant{
		{
			Name:       "classic",
			Doc:        "Persistent messages in a durable classic queue, confirmed once written to its files.",
			Durability: brokers.PageCache,
			Promises:   append([]brokers.Promise{brokers.SurvivesKill}, promises...),
			Settings:   map[string]string{deadLetterTimeout: deadLetterPatience},
		},
		{
			Name:       "quorum",
			Doc:        "A Raft log on one node, confirmed once the log is on the disk by fsync.",
			Durability: brokers.Fsync,
			Promises:   append([]brokers.Promise{brokers.SurvivesKill}, promises...),
			Settings:   map[string]string{"x-queue-type": "quorum", deliveryLimit: limitOfFour, deadLetterTimeout: deadLetterPatience},
		},
		{
			Name: "cluster",
			Doc: "A Raft log on each of three nodes, confirmed once a majority of them has it on the disk by fsync; one node can be lost " +
				"and the queue goes on.",
			Durability: brokers.Fsync,
			// Delays are not promised: the first message for each step of the staircase waits until the nodes have elected a leader
			// for it, which adds up to seconds.
			Promises: without(append([]brokers.Promise{brokers.SurvivesKill}, promises...), brokers.Delays),
			Settings: map[string]string{
				"x-queue-type": "quorum", deliveryLimit: limitOfFour, deadLetterTimeout: deadLetterPatience,
				"cluster_partition_handling": "pause_minority", "net_ticktime": tickTime,
			},
			Members: 3,
		},
		{
			Name:       "transient",
			Doc:        "Messages of delivery mode 1 in a durable classic queue, which live in memory and die with the server.",
			Durability: brokers.Memory,
			Promises:   promises,
			Settings:   map[string]string{"delivery_mode": "1", deadLetterTimeout: deadLetterPatience},
		},
	},
	Open: open,
	Wire: func(brokers.Variant) brokers.Wire { return brokers.Wire{Protocol: brokers.AMQP} },
	Server: brokers.ServerSpec{
		Product:  "rabbitmq",
		Images:   []string{"rabbitmq:4.1.4", "taskbench/rabbitmq:1"},
		Port:     5672,
		Data:     "/var/lib/rabbitmq",
		Binaries: []string{"rabbitmq-server"},
		Command:  command,
		URL:      func(addr string) string { return "amqp://guest:guest@" + addr + "/" },
		Ready:    ready,
		Limits:   limits,
		Cluster:  brokers.Cluster{Standing: standing},
	},
}

var promises = []brokers.Promise{
	brokers.Confirms, brokers.Redelivers, brokers.RedeliverFlag, brokers.FIFO,
	brokers.DeadLetters, brokers.Counts, brokers.Purges, brokers.Exchanges, brokers.Delays,
}

func without(list []brokers.Promise, not brokers.Promise) []brokers.Promise {
	return slices.DeleteFunc(list, func(p brokers.Promise) bool { return p == not })
}

func ready(ctx context.Context, url string) (string, error) {
	c, err := newServers(url).dial(ctx)
	if err != nil {
		return "", brokers.Refusef("ask rabbitmq for its version: %w", err)
	}
	defer hangUp(c)
	version, ok := c.Properties["version"].(string)
	if !ok {
		return "", fmt.Errorf("ask rabbitmq for its version: it tells none")
	}
	return version, nil
}

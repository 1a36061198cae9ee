package faults

import "taskbench/brokers"

var _ = register(refusing("queue-limit",
	"Queues of the broker's server take no more messages than so many that wait, and it refuses what is published beyond (RabbitMQ's policy "+
		"max-length with overflow reject-publish, whose publishers get a nack), until `for` has passed. What waits stays.",
	brokers.LimitLength, map[string]Param{"length": {Doc: "how many may wait in each queue", Default: 10, Positive: true}}))

package faults

import "taskbench/brokers"

var _ = register(refusing("memory-limit",
	"The broker's server reaches its own limit of memory, so that it refuses or blocks publishers (RabbitMQ's memory alarm, Redis's maxmemory "+
		"without eviction), until `for` has passed.",
	brokers.LimitMemory))

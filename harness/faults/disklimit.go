package faults

import "taskbench/brokers"

var _ = register(refusing("disk-limit",
	"The broker's server finds less disk free than it wants, so that it blocks publishers (RabbitMQ's disk alarm), until `for` has passed.",
	brokers.LimitDisk, nil))

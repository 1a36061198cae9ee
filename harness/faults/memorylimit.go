package faults

import "taskbench/brokers"

var _ = register(refusing("memory-limit",
	"The broker's server reaches its own limit of memory, so that it refuses or blocks publishers (RabbitMQ's memory alarm, Redis's maxmemory "+
		"without eviction of what it holds of queues), until `for` has passed.",
	brokers.LimitMemory, map[string]Param{policyParam: {
		Doc: "Redis's maxmemory-policy: with noeviction every key stays; with volatile-random, volatile-lru, volatile-lfu and volatile-ttl keys with " +
			"an expiry, such as the results of tasks, are forgotten first. All refuse publishes; the policies that forget queues are evict's",
		Default: "noeviction", Choices: []string{"noeviction", "volatile-random", "volatile-lru", "volatile-lfu", "volatile-ttl"},
	}}))

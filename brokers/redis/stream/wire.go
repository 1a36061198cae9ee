package stream

import "taskbench/brokers"

// Wire says how the scripts and commands of the layout look.
func Wire() brokers.Wire {
	return brokers.Wire{Protocol: brokers.RESP, Acts: map[string]brokers.Act{
		"xadd":             {Does: brokers.Publishes},
		claimScript.Name(): {Does: brokers.Claims, Many: 4},       // four elements for each entry
		ackScript.Name():   {Does: brokers.Acknowledges, Many: 5}, // after a key and the consumer
	}}
}

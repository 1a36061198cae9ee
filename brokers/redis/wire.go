package redis

import (
	"taskbench/brokers"
	"taskbench/brokers/redis/stream"
)

// wire says how the scripts and commands of the layout look.
func wire(v brokers.Variant) brokers.Wire {
	if v.Name == streamVariant {
		return stream.Wire()
	}
	return brokers.Wire{Protocol: brokers.RESP, Acts: map[string]brokers.Act{
		"lpush":            {Does: brokers.Publishes, Many: 2},
		claimScript.Name(): {Does: brokers.Claims, Many: 2},       // a queue's number and a message in turn
		ackScript.Name():   {Does: brokers.Acknowledges, Many: 6}, // after three keys
	}}
}

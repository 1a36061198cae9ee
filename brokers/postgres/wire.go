package postgres

import "taskbench/brokers"

// wire says which statements do what with messages, and which of their parameters has an element for each.
func wire(v brokers.Variant) brokers.Wire {
	l := layoutOf(v)
	return brokers.Wire{Protocol: brokers.Postgres, Acts: map[string]brokers.Act{
		l.insert: {Does: brokers.Publishes, Many: 1},
		l.claim:  {Does: brokers.Claims},
		l.ack:    {Does: brokers.Acknowledges, Many: 2},
	}}
}

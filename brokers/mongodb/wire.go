package mongodb

import "taskbench/brokers"

// wire says which commands do what with messages. A claim is complete with the removal of what waited: before that nobody
// is handed anything.
func wire(v brokers.Variant) brokers.Wire {
	acts := map[string]brokers.Act{
		"insert taskbench.ready": {Does: brokers.Publishes},
		"delete taskbench.ready": {Does: brokers.Claims},
		"delete taskbench.held":  {Does: brokers.Acknowledges},
	}
	if v.Name == kombuVariant {
		acts = map[string]brokers.Act{"insert messages": {Does: brokers.Publishes}, "delete messages": {Does: brokers.Claims}}
	}
	return brokers.Wire{Protocol: brokers.MongoDB, Acts: acts}
}

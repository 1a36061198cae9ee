package rabbitmq

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"taskbench/brokers"
)

// A member is named after its host.
const nodePrefix = "rabbit@"

// joined is the configuration of a server that is one of several: who they are, and that those that see no majority of them
// stop until they do.
func joined(peers []string) string {
	var b strings.Builder
	b.WriteString("cluster_partition_handling = pause_minority\ncluster_formation.peer_discovery_backend = classic_config\n")
	for i, peer := range peers {
		fmt.Fprintf(&b, "cluster_formation.classic_config.nodes.%d = %s%s\n", i+1, nodePrefix, peer)
	}
	return b.String()
}

// standing asks rabbitmqctl beside one of the members: AMQP does not tell.
func standing(ctx context.Context, c brokers.Console, queue string) (brokers.Standing, error) {
	if queue == "" {
		var status struct {
			Running []string `json:"running_nodes"`
		}
		if err := ctl(ctx, c, &status, "cluster_status"); err != nil {
			return brokers.Standing{}, fmt.Errorf("ask rabbitmq who is in the cluster: %w", err)
		}
		return brokers.Standing{Up: hosts(status.Running)}, nil
	}
	var queues []struct {
		Name   string          `json:"name"`
		Leader string          `json:"leader"`
		Online json.RawMessage `json:"online"` // a list, but "" of a queue that is no quorum queue
	}
	if err := ctl(ctx, c, &queues, "list_queues", "name", "leader", "online"); err != nil {
		return brokers.Standing{}, fmt.Errorf("ask rabbitmq who leads queue %s: %w", queue, err)
	}
	for _, q := range queues {
		if q.Name == queue {
			var online []string
			if err := json.Unmarshal(q.Online, &online); err != nil {
				return brokers.Standing{}, fmt.Errorf("ask rabbitmq who leads queue %s: it is no quorum queue: %w", queue, err)
			}
			leader, replicas := hosts([]string{q.Leader})[0], hosts(online)
			if !slices.Contains(replicas, leader) { // it was, and no other one has been elected yet
				leader = ""
			}
			return brokers.Standing{Leader: leader, Replicas: replicas}, nil
		}
	}
	return brokers.Standing{}, nil
}

// ctl runs rabbitmqctl and reads its answer.
func ctl(ctx context.Context, c brokers.Console, to any, args ...string) error {
	out, err := c.Run(ctx, append([]string{"rabbitmqctl", "--quiet", "--timeout", "10", "--formatter", "json"}, args...)...)
	if err != nil {
		return err
	}
	if start := strings.IndexAny(out, "[{"); start > 0 { // after a warning
		out = out[start:]
	}
	if err := json.Unmarshal([]byte(out), to); err != nil {
		return fmt.Errorf("read what rabbitmqctl said: %w", err)
	}
	return nil
}

// hosts are those of the nodes, in order.
func hosts(nodes []string) []string {
	list := make([]string, len(nodes))
	for i, n := range nodes {
		list[i] = strings.TrimPrefix(n, nodePrefix)
	}
	slices.Sort(list)
	return list
}

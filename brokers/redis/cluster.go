package redis

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"taskbench/brokers"
)

// longestLag is for how many seconds a replica may say nothing to its primary, and still be in touch.
const longestLag = 2

// standing asks the sentinel beside one of the members who the primary is, and then that one who its replicas are: every queue
// is on all of them, and led by it.
func standing(ctx context.Context, c brokers.Console, queue string) (brokers.Standing, error) {
	view, err := sentinelView(ctx, c, "127.0.0.1")
	if err != nil {
		return brokers.Standing{}, fmt.Errorf("ask the sentinel who is the primary: %w", err)
	}
	primary := view["ip"]
	// A server that is down, frozen or cut off does not answer: then nobody leads.
	info, err := c.Run(ctx, "timeout", "2", "redis-cli", "-h", primary, "info", "replication")
	if ctx.Err() != nil {
		return brokers.Standing{}, ctx.Err()
	}
	replicas, leads := parseReplication(info)
	if err != nil || !leads {
		return brokers.Standing{}, nil
	}
	all := append(replicas, primary)
	slices.Sort(all)
	if queue != "" {
		return brokers.Standing{Leader: primary, Replicas: all}, nil
	}
	// They stand together once each sentinel knows the others and all replicas: before that they elect nobody.
	others := strconv.Itoa(len(replicas))
	for _, host := range all {
		view, err := sentinelView(ctx, c, host)
		if err != nil {
			return brokers.Standing{}, fmt.Errorf("ask the sentinel of %s whom it knows: %w", host, err)
		}
		if view["ip"] != primary || view["flags"] != "master" || view["num-slaves"] != others || view["num-other-sentinels"] != others {
			return brokers.Standing{}, nil
		}
	}
	return brokers.Standing{Up: all}, nil
}

// sentinelView is what the sentinel of a host says of the primary.
func sentinelView(ctx context.Context, c brokers.Console, host string) (map[string]string, error) {
	said, err := c.Run(ctx, "timeout", "2", "redis-cli", "-h", host, "-p", strconv.Itoa(sentinelPort), "sentinel", "master", primaryName)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimSpace(said), "\n")
	view := map[string]string{}
	for pair := range slices.Chunk(lines, 2) {
		if len(pair) == 2 {
			view[strings.TrimSpace(pair[0])] = strings.TrimSpace(pair[1])
		}
	}
	if view["ip"] == "" {
		return nil, fmt.Errorf("it says %q", lines[0])
	}
	return view, nil
}

// parseReplication reads INFO replication: whether a primary says it, and which of its replicas keep up.
func parseReplication(info string) (replicas []string, primary bool) {
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "role" {
			primary = value == "master"
		}
		if !strings.HasPrefix(name, "slave") || !strings.Contains(value, ",") {
			continue
		}
		fields := map[string]string{}
		for field := range strings.SplitSeq(value, ",") {
			k, v, _ := strings.Cut(field, "=")
			fields[k] = v
		}
		if lag, err := strconv.Atoi(fields["lag"]); err == nil && lag >= 0 && lag <= longestLag && fields["state"] == "online" {
			replicas = append(replicas, fields["ip"])
		}
	}
	return replicas, primary
}

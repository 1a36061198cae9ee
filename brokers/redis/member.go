package redis

import (
	_ "embed" // the start script
	"fmt"
	"strconv"
	"strings"

	"taskbench/brokers"
)

// sentinelPort is where the sentinel beside each server of a cluster listens, for the others alone.
const sentinelPort = 26379

// primaryName is what the sentinels call the primary, whoever it is.
const primaryName = "taskbench"

//go:embed member.sh
var memberScript string

// member starts a server and its sentinel, which writes into its configuration whom the sentinels have agreed on: so that
// outlives a restart. The first member is the primary to begin with.
func member(l brokers.Launch) brokers.Command {
	var server, sentinel strings.Builder
	fmt.Fprintf(&server, "bind %s\nport %d\ndir %s\nprotected-mode no\nmaxmemory-policy noeviction\nreplica-announce-ip %s\n", l.Host, l.Port, l.Dir, l.Name)
	fmt.Fprintf(&sentinel, "bind %s\nport %d\ndir %s\nprotected-mode no\nsentinel resolve-hostnames yes\nsentinel announce-hostnames yes\nsentinel announce-ip %s\n"+
		"sentinel monitor %s %s %d %s\n", l.Host, sentinelPort, l.Dir, l.Name, primaryName, l.Peers[0], l.Port, l.Variant.Settings["sentinel quorum"])
	for _, name := range []string{
		"appendonly", "appendfsync", "save", "min-replicas-to-write", "min-replicas-max-lag", "repl-timeout", "repl-diskless-sync-delay",
	} {
		value := l.Variant.Settings[name]
		if value == "" {
			value = `""`
		}
		fmt.Fprintf(&server, "%s %s\n", name, value)
	}
	for _, name := range []string{"down-after-milliseconds", "failover-timeout"} {
		fmt.Fprintf(&sentinel, "sentinel %s %s %s\n", name, primaryName, l.Variant.Settings["sentinel "+name])
	}
	return brokers.Command{
		Args: []string{"sh", "-c", memberScript},
		Env: []string{
			"DIR=" + l.Dir, "PORT=" + strconv.Itoa(l.Port), "SENTINEL_PORT=" + strconv.Itoa(sentinelPort), "PRIMARY_NAME=" + primaryName,
			"INFO_PERIOD=" + l.Variant.Settings["sentinel debug info-period"], "MEMBER=" + l.Name, "PEERS=" + strings.Join(l.Peers, " "),
		},
		Files: map[string]string{"redis.conf": server.String(), "sentinel.conf": sentinel.String()},
	}
}

package redis

import (
	"strconv"

	"taskbench/brokers"
	"taskbench/brokers/redis/link"
)

// Driver is Redis behind kombu's layout of keys.
var Driver = brokers.Driver{
	Name: "redis",
	Variants: []brokers.Variant{
		{
			Name: "aof-everysec",
			Doc: "Every write goes to the append-only file before its reply, and reaches the disk within a second or two; but while a slow disk " +
				"holds up an fsync, replies come up to two seconds before the write.",
			Durability: brokers.PageCache,
			Promises:   append([]brokers.Promise{brokers.SurvivesKill}, promises...),
			Lease:      link.DefaultLease,
			Settings:   map[string]string{"appendonly": "yes", "appendfsync": "everysec", "save": ""},
		},
		{
			Name:       "aof-always",
			Doc:        "Every write is on the disk, by fsync of the append-only file, before its reply.",
			Durability: brokers.Fsync,
			Promises:   append([]brokers.Promise{brokers.SurvivesKill}, promises...),
			Lease:      link.DefaultLease,
			Settings:   map[string]string{"appendonly": "yes", "appendfsync": "always", "save": ""},
		},
		{
			Name: streamVariant,
			Doc: "A message is an entry of a stream, in the pending list of a consumer group while somebody holds it; every write is " +
				"on the disk, by fsync of the append-only file, before its reply.",
			Durability: brokers.Fsync,
			Promises:   append([]brokers.Promise{brokers.SurvivesKill}, promises...),
			Lease:      link.DefaultLease,
			Settings:   map[string]string{"appendonly": "yes", "appendfsync": "always", "save": ""},
		},
		{
			Name: "sentinel",
			Doc: "A primary and two replicas, which sentinels watch: a publish is confirmed once the primary and a replica have it, each in its " +
				"append-only file within a second or two; one server can be lost and the queue goes on, though what was confirmed " +
				"may be lost where the sentinels elect the other replica.",
			Durability: brokers.PageCache,
			Promises:   append([]brokers.Promise{brokers.SurvivesKill}, promises...),
			Lease:      link.DefaultLease,
			Settings: map[string]string{
				"appendonly": "yes", "appendfsync": "everysec", "save": "",
				"min-replicas-to-write": "1", "min-replicas-max-lag": strconv.Itoa(longestLag), "wait": "1",
				"repl-timeout": "10", "repl-diskless-sync-delay": "0",
				"sentinel quorum": "2", "sentinel down-after-milliseconds": "3000", "sentinel failover-timeout": "6000",
				"sentinel debug info-period": "1000", // else they learn of a replica after up to ten seconds
			},
			Members: 3,
		},
		{
			Name:       "memory",
			Doc:        "Messages live in the server's memory and die with it.",
			Durability: brokers.Memory,
			Promises:   promises,
			Lease:      link.DefaultLease,
			Settings:   map[string]string{"appendonly": "no", "save": ""},
		},
	},
	Open: open,
	Wire: wire,
	Server: brokers.ServerSpec{
		Product:  "redis",
		Images:   []string{"redis:7.4.2-bookworm", "taskbench/redis:1"},
		Port:     6379,
		Data:     "/data",
		Binaries: []string{"redis-server"},
		Command:  command,
		URL:      func(addr string) string { return "redis://" + addr + "/0" },
		Ready:    link.Version,
		Limits:   link.Limits,
		Cluster:  brokers.Cluster{Standing: standing},
	},
}

// streamVariant is the one that differs in more than a setting.
const streamVariant = "stream"

var promises = []brokers.Promise{
	brokers.Confirms, brokers.Redelivers, brokers.RedeliverFlag, brokers.Timeout, brokers.FIFO, brokers.Priorities,
	brokers.DeadLetters, brokers.Counts, brokers.CountsUnacked, brokers.Purges, brokers.Exchanges, brokers.Delays,
}

// command starts the server in the foreground; of a server alone all is said on its command line.
func command(l brokers.Launch) brokers.Command {
	if l.Peers != nil {
		return member(l)
	}
	args := []string{
		"redis-server", "--bind", l.Host, "--port", strconv.Itoa(l.Port), "--dir", l.Dir,
		"--daemonize", "no", "--protected-mode", "no", "--logfile", "",
		"--maxmemory-policy", "noeviction", // an evicted key would be a whole queue
	}
	for _, name := range []string{"appendonly", "appendfsync", "save"} {
		if value, set := l.Variant.Settings[name]; set {
			args = append(args, "--"+name, value)
		}
	}
	return brokers.Command{Args: args}
}

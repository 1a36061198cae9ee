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
			Name:       "aof-everysec",
			Doc:        "Every write goes to the append-only file before its reply, which reaches the disk within a second or two.",
			Durability: brokers.PageCache,
			Promises:   append([]brokers.Promise{brokers.SurvivesKill}, promises...),
			Settings:   map[string]string{"appendonly": "yes", "appendfsync": "everysec", "save": ""},
		},
		{
			Name:       "aof-always",
			Doc:        "Every write is on the disk, by fsync of the append-only file, before its reply.",
			Durability: brokers.Fsync,
			Promises:   append([]brokers.Promise{brokers.SurvivesKill}, promises...),
			Settings:   map[string]string{"appendonly": "yes", "appendfsync": "always", "save": ""},
		},
		{
			Name: streamVariant,
			Doc: "A message is an entry of a stream, in the pending list of a consumer group while somebody holds it; every write is " +
				"on the disk, by fsync of the append-only file, before its reply.",
			Durability: brokers.Fsync,
			Promises:   append([]brokers.Promise{brokers.SurvivesKill}, promises...),
			Settings:   map[string]string{"appendonly": "yes", "appendfsync": "always", "save": ""},
		},
		{
			Name:       "memory",
			Doc:        "Messages live in the server's memory and die with it.",
			Durability: brokers.Memory,
			Promises:   promises,
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
	},
}

// streamVariant is the one that differs in more than a setting.
const streamVariant = "stream"

var promises = []brokers.Promise{
	brokers.Confirms, brokers.Redelivers, brokers.RedeliverFlag, brokers.Timeout, brokers.FIFO, brokers.Priorities,
	brokers.DeadLetters, brokers.Counts, brokers.CountsUnacked, brokers.Purges, brokers.Exchanges, brokers.Delays,
}

// command starts the server in the foreground; all is said on its command line.
func command(l brokers.Launch) brokers.Command {
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

package nats

import (
	"context"
	"fmt"
	"maps"
	"path"
	"strconv"
	"strings"

	"taskbench/brokers"
)

const defaultPort = 4222

// version is that of the server which labs start: the official image's, and that of the program which Go makes.
const version = "2.15.2"

// Driver is NATS with JetStream.
var Driver = brokers.Driver{
	Name: "nats",
	Variants: []brokers.Variant{
		{
			Name:       "file",
			Doc:        "A message is in a file of a work-queue stream before its confirm, and on the disk within two minutes; a consumer holds it for as long as it renews.",
			Durability: brokers.PageCache,
			Promises:   append([]brokers.Promise{brokers.SurvivesKill}, promises...),
			Lease:      lease,
			Settings:   settingsOf(map[string]string{"storage": "file"}),
		},
		{
			Name:       "file-sync",
			Doc:        "The same with sync_interval: always: a message is on the disk before its confirm.",
			Durability: brokers.Fsync,
			Promises:   append([]brokers.Promise{brokers.SurvivesKill}, promises...),
			Lease:      lease,
			Settings:   settingsOf(map[string]string{"storage": "file", "sync_interval": "always"}),
		},
		{
			Name:       "memory",
			Doc:        "A message is in the memory of the server and dies with it.",
			Durability: brokers.Memory,
			Promises:   promises,
			Lease:      lease,
			Settings:   settingsOf(map[string]string{"storage": "memory"}),
		},
	},
	Open: open,
	Server: brokers.ServerSpec{
		Product:  "nats-server",
		Images:   []string{"nats:" + version + "-alpine", "taskbench/nats:1"},
		Port:     defaultPort,
		Data:     "/data",
		Binaries: []string{"nats-server"},
		Oldest:   "2.10", // the first with sync_interval: always
		Program:  "github.com/nats-io/nats-server/v2@v" + version,
		Command:  command,
		URL:      func(addr string) string { return "nats://" + addr },
		Ready:    ready,
	},
}

var promises = []brokers.Promise{
	brokers.Confirms, brokers.Redelivers, brokers.RedeliverFlag, brokers.Timeout, brokers.FIFO, brokers.DeadLetters,
	brokers.Counts, brokers.Purges, brokers.Exchanges, brokers.Delays,
}

// server is what a lab's server is given whatever the variant: a message of 1 MiB has headers, too.
var server = map[string]string{"max_payload": "8MB"}

func settingsOf(own map[string]string) map[string]string {
	maps.Copy(own, server)
	return own
}

const configFile = "nats.conf"

// command starts the server in the foreground.
func command(l brokers.Launch) brokers.Command {
	return brokers.Command{
		Args:  []string{"nats-server", "-c", path.Join(l.Dir, configFile)},
		Files: map[string]string{configFile: config(l)},
	}
}

func config(l brokers.Launch) string {
	var b strings.Builder
	fmt.Fprintf(&b, "host: %q\nport: %d\nmax_payload: %s\n", l.Host, l.Port, server["max_payload"])
	fmt.Fprintf(&b, "jetstream {\n  store_dir: %s\n", strconv.Quote(path.Join(l.Dir, "store")))
	if sync := l.Variant.Settings["sync_interval"]; sync != "" {
		fmt.Fprintf(&b, "  sync_interval: %s\n", sync)
	}
	b.WriteString("}\n")
	return b.String()
}

// ready is opening, which asks JetStream as well; a server that still recovers its streams does not answer.
func ready(ctx context.Context, url string) (version string, err error) {
	s, err := configure(url, brokers.Variant{})
	if err != nil {
		return "", err
	}
	l, err := dial(ctx, s)
	if err != nil {
		return "", err
	}
	defer l.close()
	return l.nc.ConnectedServerVersion(), nil
}

package mongodb

import (
	"context"
	_ "embed" // the start script
	"fmt"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"taskbench/brokers"
)

// leases are the promises of the variants that keep a message until it is acknowledged.
var leases = []brokers.Promise{
	brokers.Confirms, brokers.Redelivers, brokers.RedeliverFlag, brokers.Timeout, brokers.FIFO, brokers.Priorities,
	brokers.DeadLetters, brokers.Counts, brokers.CountsUnacked, brokers.Purges, brokers.Delays,
}

// Driver is MongoDB, and what speaks its protocol.
var Driver = brokers.Driver{
	Name: "mongodb",
	Variants: []brokers.Variant{
		{
			Name:       "lease",
			Doc:        "A message is a document that is held under a lease until it is acknowledged; every write is in the journal of a majority before its reply.",
			Durability: brokers.Fsync,
			Promises:   append([]brokers.Promise{brokers.SurvivesKill}, leases...),
			Settings:   map[string]string{"w": "majority", "j": "true", "synchronous": "full"},
		},
		{
			Name:       "lease-w1",
			Doc:        "The same, and a write is answered when one server has it in memory; its journal follows within a tenth of a second.",
			Durability: brokers.Memory,
			Promises:   leases,
			Settings:   map[string]string{"w": "1", "j": "false", "synchronous": "off"},
		},
		{
			Name:       "kombu",
			Doc:        "Celery's own collections: a message is removed when it is fetched, so that what a worker holds dies with it; writes are answered as the server sees fit.",
			Durability: brokers.Memory,
			Promises:   []brokers.Promise{brokers.Confirms, brokers.FIFO, brokers.Priorities, brokers.Counts, brokers.Purges},
			Settings:   map[string]string{"synchronous": "off"},
		},
	},
	Open: open,
	Server: brokers.ServerSpec{
		Product:  "mongodb",
		Images:   []string{"mongo:8.0.4-noble", "taskbench/ferretdb:1"},
		Port:     27017,
		Data:     "/data/db",
		Binaries: []string{"mongod|ferretdb"},
		Command:  command,
		URL:      func(addr string) string { return "mongodb://" + addr + "/" },
		Ready:    ready,
	},
}

// start becomes the server that there is.
//
//go:embed start.sh
var start string

// command starts the server in the foreground: mongod, or else FerretDB.
func command(l brokers.Launch) brokers.Command {
	synchronous := l.Variant.Settings["synchronous"]
	if synchronous == "" {
		synchronous = "full"
	}
	return brokers.Command{Args: []string{"sh", "-c", start, "mongodb", l.Host, strconv.Itoa(l.Port), l.Dir, synchronous}}
}

// ready asks for the version, and in whose words it is given: FerretDB tells one of MongoDB's too.
func ready(ctx context.Context, url string) (string, error) {
	l, err := dial(ctx, url, brokers.Variant{})
	if err != nil {
		return "", err
	}
	defer l.close()
	var info struct {
		Version string `bson:"version"`
		Ferret  string `bson:"ferretdbVersion"`
	}
	err = l.do(ctx, func(ctx context.Context) error {
		return l.db.RunCommand(ctx, bson.D{{Key: "buildInfo", Value: 1}}).Decode(&info)
	})
	if err != nil {
		return "", fmt.Errorf("ask mongodb at %s for its version: %w", l.addr, err)
	}
	if info.Ferret != "" {
		return "FerretDB " + trimV(info.Ferret), nil
	}
	return info.Version, nil
}

func trimV(version string) string {
	if len(version) > 1 && version[0] == 'v' {
		return version[1:]
	}
	return version
}

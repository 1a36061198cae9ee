package mongodb

import (
	"context"
	_ "embed" // the start script
	"net/url"
	"strconv"

	"taskbench/brokers"
)

// leases are the promises of the variants that keep a message until it is acknowledged.
var leases = []brokers.Promise{
	brokers.Confirms, brokers.Redelivers, brokers.RedeliverFlag, brokers.Timeout, brokers.FIFO, brokers.Priorities,
	brokers.DeadLetters, brokers.Counts, brokers.CountsUnacked, brokers.Purges, brokers.Delays,
}

const officialImage = "mongo:8.0.4-noble"

// kombuVariant is the one that differs in more than a setting.
const kombuVariant = "kombu"

// Driver is MongoDB, and what speaks its protocol.
var Driver = brokers.Driver{
	Name: "mongodb",
	Variants: []brokers.Variant{
		{
			Name:       "lease",
			Doc:        "A message is a document that is held under a lease until it is acknowledged; every write is in the journal of a majority before its reply.",
			Durability: brokers.Fsync,
			Promises:   append([]brokers.Promise{brokers.SurvivesKill}, leases...),
			Lease:      lease,
			Settings:   map[string]string{"w": "majority", "j": "true", "synchronous": "full"},
		},
		{
			Name:       "lease-w1",
			Doc:        "The same, and a write is answered when one server has it in memory; its journal follows within a tenth of a second.",
			Durability: brokers.Memory,
			Promises:   leases,
			Lease:      lease,
			Settings:   map[string]string{"w": "1", "j": "false", "synchronous": "off"},
		},
		{
			Name: "set",
			Doc: "The same on three servers that are a replica set: a write is answered once two have it in their journals, and one can be lost " +
				"without anything that was confirmed.",
			Durability: brokers.Fsync,
			Promises:   append([]brokers.Promise{brokers.SurvivesKill}, leases...),
			Lease:      lease,
			Settings:   map[string]string{"w": "majority", "j": "true", "electionTimeoutMillis": "3000", "heartbeatIntervalMillis": "1000"},
			Members:    3,
			Images:     []string{officialImage}, // FerretDB has no replicas
		},
		{
			Name:       kombuVariant,
			Doc:        "Celery's own collections: a message is removed when it is fetched, so that what a worker holds dies with it; writes are answered as the server sees fit.",
			Durability: brokers.Memory,
			Promises:   []brokers.Promise{brokers.Confirms, brokers.FIFO, brokers.Priorities, brokers.Counts, brokers.Purges},
			Settings:   map[string]string{"synchronous": "off"},
		},
	},
	Open: open,
	Wire: wire,
	Server: brokers.ServerSpec{
		Product:  "mongodb",
		Images:   []string{officialImage, "taskbench/ferretdb:1"},
		Port:     27017,
		Data:     "/data/db",
		Binaries: []string{"mongod|ferretdb"},
		Command:  command,
		URL:      func(addr string) string { return "mongodb://" + addr + "/" },
		Stay:     stay,
		Cluster:  brokers.Cluster{Standing: standing},
		Ready:    ready,
	},
}

// start becomes the server that there is.
//
//go:embed start.sh
var start string

// command starts the server in the foreground: mongod, or else FerretDB.
func command(l brokers.Launch) brokers.Command {
	if l.Peers != nil {
		return member(l)
	}
	synchronous := l.Variant.Settings["synchronous"]
	if synchronous == "" {
		synchronous = "full"
	}
	return brokers.Command{Args: []string{"sh", "-c", start, "mongodb", l.Host, strconv.Itoa(l.Port), l.Dir, synchronous}}
}

// stay has the library ask a member of a replica set, and not the set that it knows. Of a list nothing but the set is meant.
func stay(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || len(brokers.URLs(raw)) > 1 {
		return raw
	}
	q := u.Query()
	q.Del("replicaSet")
	q.Set("directConnection", "true")
	u.RawQuery = q.Encode()
	return u.String()
}

// ready asks for the version, which is part of opening. A member of a set that has not been made yet is ready to be one.
func ready(ctx context.Context, at string) (string, error) {
	l, err := dial(ctx, stay(at), brokers.Variant{})
	if err != nil {
		return "", err
	}
	defer l.close()
	return l.server.String(), nil
}

package couchdb

import (
	"context"
	_ "embed" // the start scripts
	"strconv"

	"taskbench/brokers"
)

// Driver is CouchDB, and what speaks its protocol.
var Driver = brokers.Driver{
	Name: "couchdb",
	Variants: []brokers.Variant{
		{
			Name:       "lease",
			Doc:        "A message is a document that a consumer claims by changing its revision, for as long as its lease runs; every write is on the disk before its reply.",
			Durability: brokers.Fsync,
			Promises: []brokers.Promise{
				brokers.Confirms, brokers.SurvivesKill, brokers.Redelivers, brokers.RedeliverFlag, brokers.Timeout, brokers.FIFO,
				brokers.Priorities, brokers.DeadLetters, brokers.Counts, brokers.CountsUnacked, brokers.Purges, brokers.Delays,
			},
			Lease:    lease,
			Settings: map[string]string{"single_node": "true", "leveldb sync": "true"},
		},
	},
	Open: open,
	Server: brokers.ServerSpec{
		Product:  "couchdb",
		Images:   []string{"couchdb:3.4.2", "taskbench/pouchdb:1"},
		Port:     5984,
		Data:     "/data",
		Binaries: []string{"couchdb|pouchdb-server"},
		Command:  command,
		// CouchDB does not start without an administrator. It listens on a lab's own addresses only.
		URL:   func(addr string) string { return "couchdb://taskbench:opensesame@" + addr + "/taskbench" },
		Ready: ready,
	},
}

//go:embed start.sh
var start string

// synced makes PouchDB Server wait for the disk, which it has no option for.
//
//go:embed synced.js
var synced string

// command starts the server in the foreground: CouchDB, or else PouchDB Server.
func command(l brokers.Launch) brokers.Command {
	return brokers.Command{
		Args: []string{"sh", "-c", start, "couchdb", l.Host, strconv.Itoa(l.Port), l.Dir, synced},
	}
}

// ready asks for the version.
func ready(ctx context.Context, url string) (string, error) {
	l, err := dial(ctx, url)
	if err != nil {
		return "", err
	}
	defer l.close()
	return l.product.String(), nil
}

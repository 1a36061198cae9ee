package sqlite

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"

	"taskbench/brokers"
	"taskbench/brokers/kombu/table"
)

// file is the database's name in a lab's data directory.
const file = "queue.db"

var promises = []brokers.Promise{
	brokers.Confirms, brokers.SurvivesKill, brokers.Redelivers, brokers.RedeliverFlag, brokers.Timeout, brokers.FIFO,
	brokers.Priorities, brokers.DeadLetters, brokers.Counts, brokers.CountsUnacked, brokers.Purges,
	brokers.Delays,
}

var variants = []brokers.Variant{
	{
		Name:       "wal",
		Doc:        "A message is a row whose commit the operating system has: it outlives processes, and not always a power cut.",
		Durability: brokers.PageCache,
		Promises:   promises,
		Lease:      lease,
		Settings:   map[string]string{"journal_mode": "WAL", "synchronous": "NORMAL", "wal_autocheckpoint": checkpoint},
	},
	{
		Name:       "wal-full",
		Doc:        "A message is a row whose commit is on the disk before its publisher is told.",
		Durability: brokers.Fsync,
		Promises:   promises,
		Lease:      lease,
		Settings:   map[string]string{"journal_mode": "WAL", "synchronous": "FULL", "wal_autocheckpoint": checkpoint},
	},
	{
		Name: kombuVariant,
		Doc: "A message is a row of the tables of Celery's SQLAlchemy transport, taken out of sight when it is fetched: " +
			"what a consumer holds when it dies does not come back.",
		Durability: brokers.Fsync,
		Promises:   table.Promises(),
		Settings:   map[string]string{"journal_mode": "WAL", "synchronous": "FULL", "wal_autocheckpoint": checkpoint},
	},
}

// Driver is the SQLite broker.
var Driver = brokers.Driver{
	Name:     "sqlite",
	Variants: variants,
	Open:     open,
	Server: brokers.ServerSpec{
		Product: "sqlite",
		Library: true,
		URL: func(dir string) string {
			u := url.URL{Scheme: "sqlite", Path: path.Join(dir, file)}
			return u.String()
		},
		Ready: ready,
	},
}

var errForm = errors.New("the scheme is another, or the path is not absolute")

// locate returns the database's path. The URL of Celery's transport is understood, which has a slash more.
func locate(rawURL string) (string, error) {
	u, err := url.Parse(rawURL)
	switch {
	case err != nil || u.Host != "":
	case u.Scheme == "sqlite" && path.IsAbs(u.Path), u.Scheme == "sqla+sqlite" && strings.HasPrefix(u.Path, "//"):
		return path.Clean(u.Path), nil
	}
	return "", fmt.Errorf("open sqlite broker: %w", brokers.RefuseURL(rawURL, "sqlite:///path/to/file.db", errForm))
}

func open(ctx context.Context, rawURL string, v brokers.Variant) (brokers.Broker, error) {
	file, err := locate(rawURL)
	if err != nil {
		return nil, err
	}
	var b brokers.Broker
	if v.Name == kombuVariant {
		b, err = openKombu(ctx, file, v)
	} else {
		b, err = newBroker(ctx, file, v)
	}
	if err != nil {
		return nil, brokers.Refusef("open sqlite broker %s: %w", file, err)
	}
	return b, nil
}

// ready opens the database and returns the version of SQLite.
func ready(ctx context.Context, rawURL string) (version string, err error) {
	b, err := open(ctx, rawURL, variants[0])
	if err != nil {
		return "", err
	}
	defer b.Close()
	err = b.(*broker).db.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&version)
	return version, err
}

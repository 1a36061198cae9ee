package postgres

import (
	"context"
	_ "embed" // the start script
	"maps"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"

	"taskbench/brokers"
	"taskbench/brokers/kombu/table"
)

// Driver is PostgreSQL as a queue server.
var Driver = brokers.Driver{
	Name: "postgres",
	Variants: []brokers.Variant{
		{
			Name:       "lease",
			Doc:        "A message is a row that a consumer claims for as long as its lease runs; every commit is on the disk before its reply.",
			Durability: brokers.Fsync,
			Promises:   append([]brokers.Promise{brokers.SurvivesKill}, promises...),
			Lease:      lease,
			Settings:   settings("on"),
		},
		{
			Name:       leaseAsync,
			Doc:        "The same without waiting for the disk: a SIGKILL of the server undoes the last commits, up to 0.6 s of them.",
			Durability: brokers.Memory,
			Promises:   promises,
			Lease:      lease,
			Settings:   settings("off"),
		},
		{
			Name: kombuVariant,
			Doc: "A message is a row of the tables of Celery's SQLAlchemy transport, taken out of sight when it is fetched: " +
				"what a consumer holds when it dies does not come back.",
			Durability: brokers.Fsync,
			Promises:   table.Promises(),
			Settings:   settings("on"),
		},
	},
	Open: open,
	Wire: wire,
	Server: brokers.ServerSpec{
		Product:  "postgresql",
		Images:   []string{"postgres:17.2-bookworm", "taskbench/postgres:1"},
		Port:     5432,
		Data:     "/var/lib/postgresql/data",
		Binaries: []string{"postgres|/usr/lib/postgresql/*/bin/postgres", "initdb|/usr/lib/postgresql/*/bin/initdb"},
		Command:  command,
		URL:      func(addr string) string { return "postgresql://taskbench@" + addr + "/postgres?sslmode=disable" },
		Ready:    ready,
		Limits:   limits,
	},
}

// The variants that differ in more than a setting.
const (
	leaseAsync   = "lease-async"
	kombuVariant = "kombu"
)

var promises = []brokers.Promise{
	brokers.Confirms, brokers.Redelivers, brokers.RedeliverFlag, brokers.Timeout, brokers.FIFO, brokers.Priorities,
	brokers.DeadLetters, brokers.Counts, brokers.CountsUnacked, brokers.Purges, brokers.Delays,
}

// server is what a lab's server is given; all else are settings of our own sessions.
var server = map[string]string{"max_connections": "300"}

// session is what each of our connections sets. The size of a queue changes faster than the statistics that the planner
// goes by, and a plan that was made for an empty table reads a full one to its end: the indexes are to be used at any rate.
var session = map[string]string{"jit": "off", "enable_seqscan": "off", "enable_bitmapscan": "off"}

func settings(commit string) map[string]string {
	s := map[string]string{"synchronous_commit": commit}
	maps.Copy(s, server)
	maps.Copy(s, session)
	return s
}

//go:embed start.sh
var script string

// command starts the server in the foreground; all is said on its command line.
func command(l brokers.Launch) brokers.Command {
	args := []string{"sh", "-c", script, "start", l.Dir, l.Host, strconv.Itoa(l.Port)}
	for _, name := range slices.Sorted(maps.Keys(server)) {
		args = append(args, "-c", name+"="+server[name])
	}
	return brokers.Command{Args: args}
}

// ready asks for the version; a server that is still recovering refuses.
func ready(ctx context.Context, url string) (version string, err error) {
	cfg, err := configure(url, brokers.Variant{})
	if err != nil {
		return "", err
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return "", brokers.Refusef("ask postgres at %s for its version: %w", address(cfg), explain(err))
	}
	defer func() { _ = conn.Close(ctx) }() // nothing depends on it any more
	return number(conn.PgConn().ParameterStatus("server_version")), nil
}

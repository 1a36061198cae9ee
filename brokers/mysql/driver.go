package mysql

import (
	"context"
	_ "embed" // the start script
	"maps"
	"slices"
	"strconv"
	"strings"

	"taskbench/brokers"
	"taskbench/brokers/kombu/table"
)

// Driver is MySQL or MariaDB as a queue server.
var Driver = brokers.Driver{
	Name: "mysql",
	Variants: []brokers.Variant{
		{
			Name:       "lease",
			Doc:        "A message is a row that a consumer claims for as long as its lease runs; every commit is on the disk before its reply.",
			Durability: brokers.Fsync,
			Promises:   promises,
			Lease:      lease,
			Settings:   settings("1"),
		},
		{
			Name:       "lease-async",
			Doc:        "The same, with commits that the operating system has: they outlive a SIGKILL of the server, and a power cut takes the last second of them.",
			Durability: brokers.PageCache,
			Promises:   promises,
			Lease:      lease,
			Settings:   settings("2"),
		},
		{
			Name: kombuVariant,
			Doc: "A message is a row of the tables of Celery's SQLAlchemy transport, taken out of sight when it is fetched: " +
				"what a consumer holds when it dies does not come back.",
			Durability: brokers.Fsync,
			Promises:   table.Promises(),
			Settings:   settings("1"),
		},
	},
	Open: open,
	Server: brokers.ServerSpec{
		Product:  "mysql",
		Images:   []string{"mysql:8.4.6", "mariadb:11.8.3", "taskbench/mariadb:1", "taskbench/mysql:1"},
		Port:     3306,
		Data:     "/var/lib/mysql",
		Binaries: []string{"mariadbd|mysqld|/usr/sbin/mariadbd|/usr/sbin/mysqld"},
		Command:  command,
		URL:      func(addr string) string { return "mysql://taskbench@" + addr + "/taskbench" },
		Ready:    ready,
		Limits:   limits,
	},
}

var promises = []brokers.Promise{
	brokers.Confirms, brokers.SurvivesKill, brokers.Redelivers, brokers.RedeliverFlag, brokers.Timeout, brokers.FIFO,
	brokers.Priorities, brokers.DeadLetters, brokers.Counts, brokers.CountsUnacked, brokers.Purges, brokers.Delays,
}

// flush is the setting in which the variants differ.
const flush = "innodb-flush-log-at-trx-commit"

// settings are what a lab's server is given. A log for replicas would be a second thing to bring to the disk.
func settings(commit string) map[string]string {
	return map[string]string{
		flush: commit, "disable-log-bin": "", "max-connections": "300", "max-allowed-packet": "256M", "skip-name-resolve": "",
	}
}

//go:embed start.sh
var script string

// command starts the server in the foreground; all is said on its command line.
func command(l brokers.Launch) brokers.Command {
	args := []string{"sh", "-c", script, "start", l.Dir, l.Host, strconv.Itoa(l.Port)}
	for _, name := range slices.Sorted(maps.Keys(l.Variant.Settings)) {
		arg := "--" + name
		if value := l.Variant.Settings[name]; value != "" {
			arg += "=" + value
		}
		args = append(args, arg)
	}
	return brokers.Command{Args: args}
}

// ready asks for the version; a server that is still recovering does not listen.
func ready(ctx context.Context, url string) (version string, err error) {
	c, err := configure(url)
	if err != nil {
		return "", err
	}
	db := connect(c)
	defer func() { _ = db.Close() }() // nothing depends on it any more
	if err := db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		return "", brokers.Refusef("ask mysql at %s for its version: %w", c.Addr, explain(err))
	}
	return number(version), nil
}

// number is the version with its product, without what a distribution adds: "8.4.6", "10.11.19-MariaDB".
func number(version string) string {
	n, rest, _ := strings.Cut(version, "-")
	if strings.Contains(rest, "MariaDB") {
		n += "-MariaDB"
	}
	return n
}

package beanstalkd

import (
	"context"
	"fmt"
	"strconv"

	"taskbench/brokers"
)

// jobSize is what the servers that we start take: a body of five megabytes in its envelope. It is less than a file of
// the binlog, which has room for it before the job is taken.
const jobSize = 8 << 20

// Driver is beanstalkd.
var Driver = brokers.Driver{
	Name: "beanstalkd",
	Variants: []brokers.Variant{
		{
			Name:       "binlog",
			Doc:        "Every put and delete is on the disk, by fsync of the binlog, before its reply.",
			Durability: brokers.Fsync,
			Promises:   append([]brokers.Promise{brokers.SurvivesKill}, promises...),
			Lease:      defaultTTR,
			Settings:   map[string]string{"-b": "its data directory", "-f": "0", "-z": strconv.Itoa(jobSize)},
		},
		{
			Name:       "memory",
			Doc:        "Messages live in the server's memory and die with it.",
			Durability: brokers.Memory,
			Promises:   promises,
			Lease:      defaultTTR,
			Settings:   map[string]string{"-z": strconv.Itoa(jobSize)},
		},
	},
	Open: open,
	Wire: func(brokers.Variant) brokers.Wire { return brokers.Wire{Protocol: brokers.Beanstalk} },
	Server: brokers.ServerSpec{
		Product:  "beanstalkd",
		Images:   []string{"taskbench/beanstalkd:1"}, // there is no official one
		Port:     11300,
		Data:     "/data",
		Binaries: []string{"beanstalkd"},
		Command:  launch,
		URL:      func(addr string) string { return "beanstalk://" + addr },
		Ready:    ready,
	},
}

var promises = []brokers.Promise{
	brokers.Confirms, brokers.Redelivers, brokers.RedeliverFlag, brokers.Timeout, brokers.FIFO, brokers.Priorities,
	brokers.DeadLetters, brokers.Counts, brokers.CountsUnacked, brokers.Purges, brokers.Delays,
}

// launch starts the server in the foreground; all is said on its command line.
func launch(l brokers.Launch) brokers.Command {
	args := []string{"beanstalkd", "-l", l.Host, "-p", strconv.Itoa(l.Port), "-z", l.Variant.Settings["-z"]}
	if _, kept := l.Variant.Settings["-b"]; kept {
		args = append(args, "-b", l.Dir, "-f", l.Variant.Settings["-f"])
	}
	return brokers.Command{Args: args}
}

// ready asks for the version.
func ready(ctx context.Context, url string) (string, error) {
	s, err := configure(url, brokers.Variant{})
	if err != nil {
		return "", err
	}
	l, stats, err := connect(ctx, s.addr)
	if err != nil {
		return "", err
	}
	l.fail(brokers.ErrClosed)
	version := stats.stat("version")
	if version == "" {
		return "", fmt.Errorf("ask beanstalkd at %s for its version: it tells none", s.addr)
	}
	return version, nil
}

// connect connects and makes sure that it is beanstalkd that answers. Its errors are Definite.
func connect(ctx context.Context, addr string) (*link, reply, error) {
	l, err := dial(ctx, addr, nil)
	if err != nil {
		return nil, reply{}, err
	}
	stats, err := l.do(ctx, command(nil, "stats"))
	if err == nil {
		err = stats.demand("OK")
	}
	if err != nil {
		l.fail(err)
		return nil, reply{}, brokers.Refusef("ask beanstalkd at %s for its statistics: %w; is it beanstalkd that listens there, and does it take more connections?", addr, err)
	}
	return l, stats, nil
}

package beanstalkd

import (
	"testing"

	"taskbench/brokers"
	"taskbench/brokers/lucktest"
	"taskbench/brokers/servertest"
)

// The server takes room for a whole file of its binlog, of 10 MiB, before it writes to it. Without any it refuses.
func TestFullDisk(t *testing.T) {
	servertest.Needed(t)
	var at string
	v := Driver.Variants[0]
	server := servertest.LaunchAs(t, Driver, v, func(_ *brokers.Command, dir string) {
		at = dir
		servertest.Disk(t, at, "44m")
	})
	lucktest.Full(t, lucktest.Subject{Driver: Driver, Variant: v}, lucktest.Disk{At: at, Server: server, Advice: "free space on its disk"})
}

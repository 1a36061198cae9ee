package postgres

import (
	"testing"

	"taskbench/brokers"
	"taskbench/brokers/lucktest"
	"taskbench/brokers/servertest"
)

// A table that cannot grow takes no more messages, and the server goes on.
func TestFullDisk(t *testing.T) {
	servertest.Needed(t)
	var at string
	v := Driver.Variants[0]
	server := servertest.LaunchAs(t, Driver, v, func(_ *brokers.Command, dir string) {
		at = dir
		servertest.Disk(t, at, "128m")
	})
	lucktest.Full(t, lucktest.Subject{Driver: Driver, Variant: v}, lucktest.Disk{At: at, Server: server, Advice: "free space on the server's disk"})
}

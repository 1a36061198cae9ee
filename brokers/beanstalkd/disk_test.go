package beanstalkd

import (
	"testing"

	"taskbench/brokers/lucktest"
)

// The server takes room for a whole file of its binlog, of 10 MiB, before it writes to it. Without any it refuses.
func TestFullDisk(t *testing.T) {
	lucktest.Full(t, lucktest.Subject{Driver: Driver, Variant: Driver.Variants[0]}, "44m", "free space on its disk")
}

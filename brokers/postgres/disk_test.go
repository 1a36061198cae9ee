package postgres

import (
	"testing"

	"taskbench/brokers/lucktest"
)

// A table that cannot grow takes no more messages, and the server goes on.
func TestFullDisk(t *testing.T) {
	lucktest.Full(t, lucktest.Subject{Driver: Driver, Variant: Driver.Variants[0]}, "128m", "free space on the server's disk")
}

package redis_test

import (
	"testing"

	"taskbench/brokers/lucktest"
	"taskbench/brokers/servertest"
)

// A server that promises fsync before each reply, and cannot write, ends itself: nobody knows what became of the last
// messages. One that promises less refuses from then on.
func TestFullDisk(t *testing.T) {
	servertest.Needed(t)
	for variant, advice := range map[string]string{"aof-always": "", "stream": "", "aof-everysec": "free space"} {
		t.Run(variant, func(t *testing.T) { lucktest.Full(t, subject(t, variant), "16m", advice) })
	}
}

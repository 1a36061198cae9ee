package redis_test

import (
	"testing"

	"taskbench/brokers"
	"taskbench/brokers/lucktest"
	"taskbench/brokers/servertest"
)

// A server that promises fsync before each reply, and cannot write, ends itself: nobody knows what became of the last
// messages. One that promises less refuses from then on.
func TestFullDisk(t *testing.T) {
	servertest.Needed(t)
	for variant, advice := range map[string]string{"aof-always": "", "stream": "", "aof-everysec": "free space"} {
		t.Run(variant, func(t *testing.T) {
			s := subject(t, variant)
			var at string
			server := servertest.LaunchAs(t, s.Driver, s.Variant, func(_ *brokers.Command, dir string) {
				at = dir
				servertest.Disk(t, at, "16m")
			})
			lucktest.Full(t, s, lucktest.Disk{At: at, Server: server, Advice: advice})
		})
	}
}

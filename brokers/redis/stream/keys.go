package stream

import "taskbench/brokers/redis/keys"

// What there is beside the streams themselves: consumers by the time at which their leases end, the queues that each
// takes from, the streams to which something was given back, and what is delayed.
const (
	consumersKey = "taskbench:streams:consumers"
	queuesKey    = "taskbench:streams:queues"
	returnedKey  = "taskbench:streams:returned"
	delayedKey   = "taskbench:streams:delayed"
	noneKey      = "taskbench:streams:none" // there is never anything here
	bindings     = "taskbench:streams:bindings:"
)

// steps are kombu's priority steps, as the names of streams end in them.
var steps = [keys.Steps]string{":0", ":3", ":6", ":9"}

// field is the one of an entry that holds the message.
const field = "m"

// groupName is the one group of every stream.
const groupName = "taskbench"

// streamOf is the stream that holds a queue's messages of one priority.
func streamOf(queue string, priority uint8) string {
	return "taskbench:stream:" + queue + steps[keys.Step(priority)]
}

// streamsOf are the streams of several queues: the most urgent of each, then the next.
func streamsOf(queues ...string) []string {
	all := make([]string, 0, len(steps)*len(queues))
	for _, s := range steps {
		for _, q := range queues {
			all = append(all, "taskbench:stream:"+q+s)
		}
	}
	return all
}

// bellOf is the stream of at most one entry that tells a queue's consumers that something was given back.
func bellOf(queue string) string { return "taskbench:streams:bell:" + queue }

package redis

import (
	"encoding/json"
	"fmt"
)

// kombu's keys, and beside them some of our own: who consumes and until when, what each holds, the channel that wakes
// idle consumers, and what is delayed: names by the time at which they are due, and messages by their names.
const (
	unackedKey   = "unacked"
	indexKey     = "unacked_index"
	mutexKey     = "unacked_mutex"
	consumersKey = "taskbench:consumers"
	heldPrefix   = "taskbench:held:"
	delayedKey   = "taskbench:delayed"
	delayedBy    = "taskbench:delayed:messages"
	bindings     = "_kombu.binding."
	separator    = "\x06\x16"
)

// steps are the suffixes of a queue's lists, most urgent first: priorities 0 to 2, 3 to 5, 6 to 8, and 9.
var steps = [4]string{"", separator + "3", separator + "6", separator + "9"}

// listOf is the list that holds a queue's messages of one priority.
func listOf(queue string, priority uint8) string { return queue + steps[min(priority, 9)/3] }

// listsOf are all the lists of a queue, most urgent first.
func listsOf(queue string) []string {
	lists := make([]string, len(steps))
	for i, s := range steps {
		lists[i] = queue + s
	}
	return lists
}

// binding is the member that kombu writes for a queue of a direct exchange of the same name.
func binding(queue string) string { return queue + separator + separator + queue }

// bookingTail ends the bookings of a queue in the unacked hash: [envelope, "", "queue"].
func bookingTail(queue string) string {
	quoted, _ := json.Marshal(queue) // a string always can
	return `, "", ` + string(quoted) + `]`
}

// wakeChannel is named like kombu's fanout channels, which carry the database's number because channels are
// shared by all databases.
func wakeChannel(db int, queue string) string { return fmt.Sprintf("/%d.taskbench.wake/%s", db, queue) }

package redis

import "encoding/json"

// kombu's keys, and beside them some of our own: who consumes and until when, what each holds, and what is delayed.
const (
	unackedKey   = "unacked"
	indexKey     = "unacked_index"
	mutexKey     = "unacked_mutex"
	consumersKey = "taskbench:consumers"
	heldPrefix   = "taskbench:held:"
	delayedKey   = "taskbench:delayed"
)

// bookingTail ends the bookings of a queue in the unacked hash: [envelope, "", "queue"].
func bookingTail(queue string) string {
	quoted, _ := json.Marshal(queue) // a string always can
	return `, "", ` + string(quoted) + `]`
}

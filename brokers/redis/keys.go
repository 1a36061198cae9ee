package redis

import (
	"encoding/json"
	"strconv"
)

// kombu's keys, and beside them some of our own: who consumes and until when, what each holds, and what is delayed.
const (
	unackedKey   = "unacked"
	indexKey     = "unacked_index"
	mutexKey     = "unacked_mutex"
	consumersKey = "taskbench:consumers"
	delayedKey   = "taskbench:delayed"
)

// heldBy is the set of the bookings of one consumer.
func heldBy(id string) string { return "taskbench:held:" + id }

// bookingName is the field of a booking: unlike a publisher's delivery tag it needs no parsing and never repeats.
func bookingName(id string, tag uint64) string { return id + ":" + strconv.FormatUint(tag, 10) }

// bookingTail ends the bookings of a queue in the unacked hash: [envelope, "", "queue"].
func bookingTail(queue string) string {
	quoted, _ := json.Marshal(queue) // a string always can
	return `, "", ` + string(quoted) + `]`
}

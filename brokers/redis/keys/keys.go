// Package keys names kombu's keys in Redis, and the channel that wakes idle consumers.
package keys

import "fmt"

// Separator is what kombu puts between the parts of a name.
const Separator = "\x06\x16"

// steps are the suffixes of a queue's lists, most urgent first: priorities 0 to 2, 3 to 5, 6 to 8, and 9.
var steps = [Steps]string{"", Separator + "3", Separator + "6", Separator + "9"}

// Steps is how many lists a queue has.
const Steps = 4

// Step is the place, in what ListsOf returns, of the list for messages of a priority.
func Step(priority uint8) int { return int(min(priority, 9) / 3) }

// ListOf is the list that holds a queue's messages of one priority.
func ListOf(queue string, priority uint8) string { return queue + steps[Step(priority)] }

// ListsOf are all the lists of a queue, most urgent first. The slice is the caller's.
func ListsOf(queue string) []string {
	lists := make([]string, len(steps))
	for i, s := range steps {
		lists[i] = queue + s
	}
	return lists
}

// Lists are those of several queues: the most urgent of each, then the next.
func Lists(queues []string) []string {
	lists := make([]string, 0, len(steps)*len(queues))
	for _, s := range steps {
		for _, q := range queues {
			lists = append(lists, q+s)
		}
	}
	return lists
}

// Bindings is the set that names the queues of an exchange.
func Bindings(exchange string) string { return "_kombu.binding." + exchange }

// Member is what kombu writes into that set for a queue: pattern is a regular expression where the exchange is a topic.
func Member(key, pattern, queue string) string { return key + Separator + pattern + Separator + queue }

// WakeChannel is named like kombu's fanout channels, which carry the database's number because channels are
// shared by all databases.
func WakeChannel(db int, queue string) string { return fmt.Sprintf("/%d.taskbench.wake/%s", db, queue) }

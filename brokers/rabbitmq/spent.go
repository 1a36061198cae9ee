package rabbitmq

import (
	"encoding/json"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"taskbench/brokers"
)

// What a quorum queue was given back more often than its limit it takes out of the line: a task that kills whoever has it
// would come back for ever. From 4.0 on a server does so after twenty times without being told, and drops the message; a
// policy of the servers that a lab starts has all of them keep it, in the dead letter queue. It is a policy and no argument of
// the queue, because Celery declares queues without one.
//
// Twenty counts what was merely prefetched when its worker died, too. But what comes back is the next to be handed out, so an
// innocent message would have to be in the hands of twenty-one workers that die, one after the other, before any has
// run it.
const (
	deliveryLimit = "delivery-limit"
	limitOfFour   = "20" // that of RabbitMQ 4.0
)

// The policy names one exchange for all queues, and the key of a message need not be its queue's name. What was delayed has its
// queue behind the bits of its wait. Of all else the server writes down where it died, and why: what has expired
// goes the same way and must be dropped, and only the headers tell.
const (
	spent        = "taskbench_spent"
	spentHeaders = spent + "_headers"
)

const longestName = 255 // of queues and keys, in bytes

// limited is the configuration and the file that have quorum queues keep what was given back more often than so.
func limited(limit, file string) (conf, definitions string) {
	type table = map[string]any
	text, err := json.Marshal(table{
		"vhosts":      []table{{"name": "/"}},
		"users":       []table{{"name": "guest", "password": "guest", "tags": "administrator"}}, // which a server with definitions does not make itself
		"permissions": []table{{"user": "guest", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}},
		"policies": []table{{
			"vhost": "/", "name": "taskbench", "apply-to": "queues", "priority": 0,
			"pattern":    "^(?!" + staircase + ")(?!.*\\" + brokers.DeadLetterQueue("") + "$)",
			"definition": table{deliveryLimit: json.Number(limit), "dead-letter-exchange": spent},
		}},
	})
	if err != nil {
		panic(err) // a limit that is no number
	}
	return "load_definitions = " + file + "\n", string(text)
}

// keepSpent has the dead letter queue get what its queue, which may be new, has given up; t.turn is held.
func (t *topology) keepSpent(queue string, fresh bool) error {
	if _, known := t.known.Load(spent); !known {
		if err := t.ask(declareSpent); err != nil {
			return err
		}
		t.known.Store(spent, true)
	}
	dead, delayed := brokers.DeadLetterQueue(queue), strings.Repeat("*.", levels)+queue
	if len(dead) > longestName {
		return nil // there can be no such queue
	}
	err := t.ask(func(ch *amqp.Channel) error {
		if _, err := ch.QueueDeclare(dead, true, false, false, false, t.layout.arguments(dead)); err != nil {
			return err
		}
		if len(delayed) <= longestName { // else nothing for it can be delayed
			if err := ch.QueueBind(dead, delayed, spent, false, nil); err != nil {
				return err
			}
		}
		return ch.QueueBind(dead, "", spentHeaders, false, amqp.Table{
			"x-match": "all-with-x", "x-first-death-reason": "delivery_limit", "x-first-death-queue": queue,
		})
	})
	if err == nil && fresh {
		t.births.note(dead)
	}
	return err
}

func declareSpent(ch *amqp.Channel) error {
	if err := ch.ExchangeDeclare(spent, amqp.ExchangeTopic, true, false, false, false, nil); err != nil {
		return err
	}
	if err := ch.ExchangeDeclare(spentHeaders, amqp.ExchangeHeaders, true, false, false, false, nil); err != nil {
		return err
	}
	return ch.ExchangeBind(spentHeaders, "#", spent, false, nil)
}

package brokers

import "time"

// DefaultQueue is the queue that Celery uses when nothing else is said.
const DefaultQueue = "celery"

// A Message is what a broker carries: an opaque body with Celery-style headers and properties.
// A driver carries every field unchanged from Publish to Delivery, except those it declares it cannot.
type Message struct {
	Queue string // where it goes; on a delivery, where it came from

	Headers map[string]any // Celery's headers: strings, integers, floats, booleans, nil, lists and maps of these
	Body    []byte

	ContentType     string // "application/json"
	ContentEncoding string // "utf-8"
	CorrelationID   string // the task id
	ReplyTo         string
	Priority        uint8         // 0 to 9; which end is urgent is the broker's, see its doc.go
	Expiration      time.Duration // the broker may drop the message after this; 0 is never
	Transient       bool          // delivery mode 1: need not survive a restart of the broker
}

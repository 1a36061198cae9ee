package postgres

import (
	"taskbench/brokers"
	"taskbench/brokers/envelope"
	"taskbench/brokers/kombu"
)

// A layout is how messages lie in tables: statements that take the same values in each layout, and how a message is
// written. Every statement stands for itself: the snapshot of one must see what the one before it waited for.
type layout struct {
	names  []string // of the tables
	tables string   // makes what is absent of them
	owned  bool     // a row has an owner, and settles nothing for others
	look   int      // how many renewals there are a second, with each of which a consumer looks for messages by itself

	declare string // queues []: makes them known, as far as they must be; "" where they need not
	insert  string // queues [], priorities [], payloads [], lives in ms or null []
	delay   string // the same, and delays in ms []
	ripen   string // most: makes ready what is due, and gives the queues of it with the number in each

	register string // name, lease in ms: gives the owner
	renew    string // owner, lease in ms: gives whether to mend, and the seconds until something is due; no row when lapsed
	mend     []string
	release  []string // owner, ids []; like mend they give the queues that have got something back

	claim string // owner, queues [], most of each [], most: gives id, queue, priority, times handed out, payload

	// owner, ids []: each gives the ids that it has settled.
	ack, requeue, reject, unseen string

	purge string // queue
	depth string // queue: gives ready and unacked

	payload uint32 // the type of its column
	longest int    // bytes of a queue's name
	encode  func(m brokers.Message) ([]byte, error)
	decode  func(queue string, payload []byte) (m brokers.Message, again bool)
}

func layoutOf(v brokers.Variant) *layout {
	if v.Name == kombuVariant {
		return &kombuLayout
	}
	return &leaseLayout
}

// statements lists all that a session will ask, so that tables of another shape are found before anything is done.
func (l *layout) statements() []string {
	all := []string{
		l.insert, l.delay, l.ripen, l.register, l.renew, l.claim, l.ack, l.requeue, l.reject, l.unseen, l.purge, l.depth,
	}
	all = append(append(all, l.mend...), l.release...)
	if l.declare != "" {
		all = append(all, l.declare)
	}
	return all
}

func appendEnvelope(m brokers.Message) ([]byte, error) {
	return envelope.Append(make([]byte, 0, len(m.Body)+512), m)
}

// decodeEnvelope gives a foreign row as a body without headers: the receiver shall see it and reject it.
func decodeEnvelope(queue string, payload []byte) (brokers.Message, bool) {
	m, err := envelope.Decode(payload)
	if err != nil {
		m = brokers.Message{Body: payload}
	}
	m.Queue = queue
	return m, false
}

func encodeKombu(m brokers.Message) ([]byte, error) { return kombu.Encode(m, "", m.Queue) }

func decodeKombu(queue string, payload []byte) (brokers.Message, bool) {
	return kombu.Decode(queue, string(payload))
}

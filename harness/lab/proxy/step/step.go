package step

import (
	"fmt"
	"maps"
	"slices"

	"taskbench/brokers"
)

// A Step is a moment in the life of a message at which a connection can be stopped. The package comment says which is which.
type Step string

// The steps, in the order of a message's life.
const (
	Publish Step = "publish"
	Confirm Step = "confirm"
	Claim   Step = "claim"
	Deliver Step = "deliver"
	Ack     Step = "ack"
	Acked   Step = "acked"
	Result  Step = "result"
)

// An Info describes a step for people.
type Info struct {
	Step Step
	Doc  string
	Hit  string // what has become of it when a connection was stopped there
}

var all = []Info{
	{Publish, "a publish is seen and withheld from the server", "seen and withheld from the server"},
	{Confirm, "after publish, before confirm: the server has taken the message, and its answer is withheld", "seen and withheld from the publisher"},
	{Claim, "after claim, before start: the server has handed a message out, which is withheld from the worker", "seen and withheld from the worker"},
	{Deliver, "after deliver, before ack: the message is passed on to the worker, and nothing after it", "passed on to the worker, and nothing after it"},
	{Ack, "during ack: the worker's acknowledgement is seen and withheld from the server", "seen and withheld from the server"},
	{Acked, "the acknowledgement is passed on, and its answer, where there is one, withheld", "passed on to the server, and nothing after it"},
	{Result, "after finish, before the result is stored: the store is seen and withheld", "seen and withheld from the server"},
}

// All lists the steps in the order of a message's life.
func All() []Info { return slices.Clone(all) }

// Info describes the step; its zero value stands for one that does not exist.
func (s Step) Info() Info {
	i := slices.IndexFunc(all, func(i Info) bool { return i.Step == s })
	if i < 0 {
		return Info{}
	}
	return all[i]
}

// deeds are what a wire's acts must know for its connections to come to a step.
var deeds = map[Step]brokers.Deed{
	Publish: brokers.Publishes, Confirm: brokers.Publishes,
	Claim: brokers.Claims, Deliver: brokers.Claims,
	Ack: brokers.Acknowledges, Acked: brokers.Acknowledges,
	Result: brokers.Stores,
}

// Unfit says why connections of the wire never come to the step, or "".
func Unfit(w brokers.Wire, s Step) string {
	_, understood := parsers[w.Protocol]
	switch {
	case !understood:
		return "what goes over the connections to this broker is not understood"
	case s.Info().Step == "":
		return fmt.Sprintf("there is no step %q", s)
	case s == Result && !does(w, brokers.Stores):
		return "no result is stored through the connections to the broker: the workers run without a result backend"
	}
	if w.Acts != nil && w.Protocol != brokers.AMQP && !does(w, deeds[s]) {
		return fmt.Sprintf("nothing on its connections is the step %s: it has none", s)
	}
	return ""
}

// does tells whether anything on the wire is the deed.
func does(w brokers.Wire, d brokers.Deed) bool {
	return slices.ContainsFunc(slices.Collect(maps.Values(w.Acts)), func(a brokers.Act) bool { return a.Does == d })
}

// Side is one of the two ends of a connection.
type Side int

// The sides.
const (
	Client Side = iota
	Server
)

// An Event is a step that a frame is at.
type Event struct {
	Step  Step
	Count int  // of messages, at least 1
	After bool // to stop there is to pass the frame on and nothing after it; otherwise the frame is the first to be withheld
}

// A Parser follows one connection. It is not for concurrent use.
type Parser interface {
	// Next reads one frame of what a side sends, from where the frame before it ended: n is its length, or 0 while it is
	// not whole. What is left over must be given to it again, with more behind it. What the client asks must be given to it
	// before what the server answers. After an error, which says that the connection is not understood, it is of no more use.
	Next(from Side, data []byte) (n int, events []Event, err error)
}

// parsers is filled by the file of each protocol.
var parsers = map[brokers.WireProtocol]func(acts map[string]brokers.Act) Parser{
	brokers.AMQP:      newAMQP,
	brokers.Beanstalk: newBeanstalk,
	brokers.TCPMemory: newMemory,
	brokers.MongoDB:   newMongo,
	brokers.RESP:      newRESP,
	brokers.Postgres:  newPostgres,
}

// For returns a parser for a connection of the wire that begins, or nil where nobody understands it.
func For(w brokers.Wire) Parser {
	if of, ok := parsers[w.Protocol]; ok {
		return of(w.Acts)
	}
	return nil
}

// largest is the longest frame that is held back until it is whole.
const largest = 32 << 20

// event lists one, or none of no messages.
func event(s Step, count int, after bool) []Event {
	if count < 1 {
		return nil
	}
	return []Event{{s, count, after}}
}

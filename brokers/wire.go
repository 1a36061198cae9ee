package brokers

// A Wire says how the steps of a message's life look on the connections to a server, for whoever watches these. Its zero
// value is a wire that nobody can read.
type Wire struct {
	Protocol WireProtocol
	Acts     map[string]Act // by what a client says, in the words of the protocol; nil where the protocol says it all
}

// A WireProtocol is what is spoken on the connections to a server. It says what the keys of Acts are.
type WireProtocol string

// The protocols that can be followed.
const (
	AMQP      WireProtocol = "amqp"      // AMQP 0-9-1, which has words for publishing, delivering and acknowledging: an act is the key of what is published and no task
	Beanstalk WireProtocol = "beanstalk" // beanstalkd's, which has them too
	TCPMemory WireProtocol = "memory"    // that of package memory's server, likewise
	MongoDB   WireProtocol = "mongodb"   // MongoDB's OP_MSG: an act is a command and the collection that it is about, "insert messages"
	RESP      WireProtocol = "resp"      // Redis's: an act is a command in lower case, or "evalsha" and a script's hash
	Postgres  WireProtocol = "postgres"  // PostgreSQL's, version 3: an act is the text of a prepared statement
)

// An Act is what one thing that a client says does with messages.
type Act struct {
	Does Deed

	// Many is where an act on several messages tells how many. Of a RESP command it is the first word, counted from 0,
	// that is one for each message; of a PostgreSQL statement the parameter, counted from 1, that is an array with an
	// element for each. Of a RESP claim it is how many elements of the answer, or of the first array in it, make one
	// message; a PostgreSQL claim answers with a row for each. 0 is an act on one message. MongoDB says it all by itself.
	Many int
}

// A Deed is what can be done with messages.
type Deed string

// The deeds.
const (
	Publishes    Deed = "publish" // the answer is the confirm
	Claims       Deed = "claim"   // the answer brings the messages
	Acknowledges Deed = "ack"
	Stores       Deed = "result" // of a task, by a result backend in the broker's server
)

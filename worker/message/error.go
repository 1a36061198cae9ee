package message

import "fmt"

// A Reason is why a message could not be read.
type Reason string

// The reasons.
const (
	Refused   Reason = "content type refused" // not on the allow list; the body was not looked at
	Encoding  Reason = "content encoding"     // not a text encoding of JSON
	Packing   Reason = "compression"          // unknown codec, broken stream, or too large unpacked
	Foreign   Reason = "not a task"           // readable, and not a task message of any protocol
	Syntax    Reason = "body not decodable"   // not JSON
	Shape     Reason = "body shape"           // JSON, but not what the protocol asks for
	NoID      Reason = "no task id"
	BadHeader Reason = "bad header" // a header that the worker needs has an impossible value
)

// An Error says why a message could not be read, and whose it was as far as could be told.
type Error struct {
	Reason Reason
	Task   string // name of the task; may be empty
	ID     string // may be empty
	Err    error  // the detail
}

func (e *Error) Error() string {
	who := ""
	if e.Task != "" {
		who = " of task " + e.Task
	}
	if e.ID != "" {
		who += " id " + e.ID
	}
	return fmt.Sprintf("read message%s: %s: %v", who, e.Reason, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

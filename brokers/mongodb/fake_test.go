package mongodb

import (
	"encoding/binary"
	"io"
	"net"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// The length of what each message of MongoDB's protocol begins with, and the kinds of messages that matter here: all but the first
// question and its answer are of the last one.
const (
	headerSize = 16
	kindReply  = 1
	kindMsg    = 2013
)

// A request is one message of a client, as it came.
type request []byte

func readRequest(c net.Conn) (request, error) {
	var head [headerSize]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return nil, err
	}
	r := make(request, max(headerSize, binary.LittleEndian.Uint32(head[:])))
	_, err := io.ReadFull(c, r[copy(r, head[:]):])
	return r, err
}

func (r request) kind() uint32 { return binary.LittleEndian.Uint32(r[12:]) }

// command is what is asked for; "" in the first question, which is always who the server is.
func (r request) command() string {
	const flags = 5 // and the kind of what follows them
	if r.kind() != kindMsg {
		return ""
	}
	first, err := bson.Raw(r[headerSize+flags:]).IndexErr(0)
	if err != nil {
		return ""
	}
	return first.Key()
}

// answer says a document in the form of the question.
func (r request) answer(c net.Conn, said bson.D) error {
	doc, err := bson.Marshal(said)
	if err != nil {
		return err
	}
	kind, reply := uint32(kindReply), append(make([]byte, 16), 1, 0, 0, 0) // no flags, no cursor, from the beginning, one document
	if r.kind() == kindMsg {
		kind, reply = kindMsg, make([]byte, 5) // no flags, one document
	}
	reply = slices.Concat(reply, doc)
	out := binary.LittleEndian.AppendUint32(nil, uint32(headerSize+len(reply)))
	out = binary.LittleEndian.AppendUint32(out, 1)
	out = append(out, r[4:8]...)
	out = binary.LittleEndian.AppendUint32(out, kind)
	_, err = c.Write(append(out, reply...))
	return err
}

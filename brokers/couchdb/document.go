package couchdb

import (
	"encoding/json"

	"taskbench/brokers"
	"taskbench/brokers/envelope"
	"taskbench/brokers/feed"
)

// A document is a message as the database has it.
type document struct {
	ID       string `json:"_id"`
	Rev      string `json:"_rev,omitempty"`
	Deleted  bool   `json:"_deleted,omitempty"`
	Envelope []byte `json:"envelope,omitempty"` // base64 in JSON
	Holder   string `json:"holder,omitempty"`   // who has it in hand
	Handed   int    `json:"handed,omitempty"`   // how often it was handed out and came back

	// Stroke differs in all writes. PouchDB Server derives a revision from the contents, and dies of two writes that are the
	// same, as when two give back what a dead holder had.
	Stroke string `json:"stroke,omitempty"`
}

// around is about how many bytes there are around an envelope in a document.
const around = 300

func (d document) size() int { return (len(d.Envelope)+2)/3*4 + around }

// pack makes the document of a message.
func pack(id string, m brokers.Message) (document, error) {
	data, err := envelope.Append(make([]byte, 0, len(m.Body)+512), m)
	d := document{ID: id, Envelope: data}
	if err == nil && d.size() > largest {
		err = brokers.Refusef("message of %d bytes is larger than %d, which is all that a document of CouchDB's usual size holds",
			len(data), largest/4*3)
	}
	return d, err
}

// unpack shows what is no message of ours as one without headers, for the worker to reject.
func unpack(d document, queue string) feed.Item {
	m, err := envelope.Decode(d.Envelope)
	if err != nil {
		m = brokers.Message{Body: d.Envelope}
	}
	m.Queue = queue
	return feed.Item{Message: m, Redelivered: d.Handed > 0, Deliveries: d.Handed + 1}
}

// read reads a document. One that somebody else has put in a queue becomes a message whose body it is.
func read(raw json.RawMessage) (document, error) {
	var d document
	if json.Unmarshal(raw, &d) == nil && len(d.Envelope) > 0 {
		return d, nil
	}
	var name struct {
		ID  string `json:"_id"`
		Rev string `json:"_rev"`
	}
	if err := json.Unmarshal(raw, &name); err != nil {
		return document{}, err
	}
	data, err := envelope.Append(nil, brokers.Message{Body: raw})
	return document{ID: name.ID, Rev: name.Rev, Envelope: data}, err
}

// tombstone is what a settled message leaves.
func (d document) tombstone() document { return document{ID: d.ID, Rev: d.Rev, Deleted: true} }

package tasks

import (
	"bytes"
	"encoding/json"
	"fmt"

	"taskbench/brokers"
	"taskbench/harness/ledger"
	"taskbench/worker/canvas"
)

// Chords divides the tasks of a run into chords: of every so many that follow one another all but the last are a header,
// and the last is its body, a noop, which workers publish. Its id is the chord's too. The zero Chords are none.
type Chords struct {
	size uint64 // of a header
	body []byte // the body as the header's messages carry it, with blankID for its id
}

// newChords prepares chords with headers of a size; 0 is none.
func newChords(size int) (Chords, error) {
	if size == 0 {
		return Chords{}, nil
	}
	body, err := json.Marshal(canvas.Sig(Prefix+noop.spec.Name).Set(canvas.Options{TaskID: blankID}).With("group_id", blankID))
	if err != nil {
		return Chords{}, fmt.Errorf("encode the body of a chord: %w", err)
	}
	return Chords{uint64(size), body}, nil
}

// Size is how many tasks a header has; 0 where there are no chords.
func (c Chords) Size() int { return int(c.size) }

// IsBody tells whether a task is the body of a chord.
func (c Chords) IsBody(seq uint64) bool { return c.size > 0 && seq%(c.size+1) == c.size }

// IsLast tells whether a task is the last of a chord's header.
func (c Chords) IsLast(seq uint64) bool { return c.size > 0 && seq%(c.size+1) == c.size-1 }

// BodyOf is the body of the chord that a task is in.
func (c Chords) BodyOf(seq uint64) uint64 { return seq - seq%(c.size+1) + c.size }

// Whole are the chords of which all of the header was due when so many tasks were, for Meta.Chords.
func (c Chords) Whole(due uint64) []ledger.Chord {
	if c.size == 0 {
		return nil
	}
	n := (due + 1) / (c.size + 1)
	list, headers := make([]ledger.Chord, n), make([]uint64, n*c.size)
	for i := range n {
		header := headers[i*c.size : (i+1)*c.size : (i+1)*c.size]
		for k := range header {
			header[k] = i*(c.size+1) + uint64(k)
		}
		list[i] = ledger.Chord{Header: header, Body: i*(c.size+1) + c.size}
	}
	return list
}

// alone is how the body of a message ends whose task is in no chord.
const alone = `"chord": null}]`

// Enlist makes a message of Mix.Message, whose headers are its own, one of a chord's header. The id is the body's. A
// message that was spoiled stays as it is: no worker will find out what chord it is in.
func (c Chords) Enlist(m *brokers.Message, seq uint64, id string) {
	m.Headers["group"], m.Headers["group_index"] = id, int(seq%(c.size+1))
	head, found := bytes.CutSuffix(m.Body, []byte(alone))
	if !found {
		return
	}
	body := make([]byte, 0, len(head)+len(c.body)+32)
	body = append(append(body, head...), `"chord": `...)
	body = append(body, bytes.ReplaceAll(c.body, []byte(blankID), []byte(id))...)
	m.Body = append(body, "}]"...)
}

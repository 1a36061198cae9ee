package step

import (
	"encoding/binary"
	"fmt"

	"taskbench/brokers"
)

// The frames of package memory's server that matter here; its comment describes the protocol.
const (
	memoryPublish = 2
	memorySettle  = 6
	memoryOK      = 10
	memoryRefused = 11
	memoryDeliver = 12

	memoryAck = 1 // the last byte of a settle
)

type memory struct {
	asked map[uint64]Step // the step that a request's answer is
}

func newMemory(map[string]brokers.Act) Parser { return &memory{asked: map[uint64]Step{}} }

func (p *memory) Next(from Side, data []byte) (int, []Event, error) {
	const head = 4 + 1 + 8
	if len(data) < 4 {
		return 0, nil, nil
	}
	length := binary.BigEndian.Uint32(data)
	if length < head-4 || length > largest {
		return 0, nil, fmt.Errorf("a frame of %d bytes is none of the memory broker's", length)
	}
	n := 4 + int(length)
	if len(data) < n {
		return 0, nil, nil
	}
	kind, id := data[4], binary.BigEndian.Uint64(data[5:])
	switch {
	case from == Client && kind == memoryPublish:
		p.asked[id] = Confirm
		return n, event(Publish, 1, false), nil
	case from == Client && kind == memorySettle && n > head && data[n-1] == memoryAck:
		p.asked[id] = Acked
		return n, event(Ack, 1, false), nil
	case from == Server && kind == memoryDeliver:
		return n, []Event{{Claim, 1, false}, {Deliver, 1, true}}, nil
	case from == Server && (kind == memoryOK || kind == memoryRefused):
		answer, ours := p.asked[id]
		delete(p.asked, id)
		if ours && kind == memoryOK {
			return n, event(answer, 1, false), nil
		}
	}
	return n, nil, nil
}

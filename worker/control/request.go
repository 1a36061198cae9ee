package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"taskbench/brokers"
)

// largest is how long a command's body may be. A list of revoked ids is the longest there is.
const largest = 4 << 20

const jsonType = "application/json"

// A request is a command as it is on the wire.
type request struct {
	Method      string                     `json:"method"`
	Arguments   map[string]json.RawMessage `json:"arguments"`
	Destination names                      `json:"destination"`
	Pattern     *string                    `json:"pattern"`
	Matcher     *string                    `json:"matcher"`
	Ticket      string                     `json:"ticket,omitempty"`
	ReplyTo     *address                   `json:"reply_to,omitempty"`
}

// An address is where a reply goes.
type address struct {
	Exchange   string `json:"exchange"`
	RoutingKey string `json:"routing_key"`
}

// names is a list, or one name in place of it. Nil is null.
type names []string

func (n *names) UnmarshalJSON(raw []byte) error {
	if bytes.HasPrefix(raw, []byte(`"`)) {
		var one string
		err := json.Unmarshal(raw, &one)
		*n = names{one}
		return err
	}
	return json.Unmarshal(raw, (*[]string)(n))
}

// decode reads a command.
func decode(m brokers.Message) (request, error) {
	var r request
	switch kind, _, _ := strings.Cut(m.ContentType, ";"); {
	case kind != jsonType && kind != "":
		return r, fmt.Errorf("its content type is %.40q, want %s", m.ContentType, jsonType)
	case len(m.Body) > largest:
		return r, fmt.Errorf("it has %d bytes, and %d are allowed", len(m.Body), largest)
	}
	if err := json.Unmarshal(m.Body, &r); err != nil {
		return r, err
	}
	if r.Method == "" {
		return r, errors.New("it names no method")
	}
	if r.ReplyTo != nil && r.ReplyTo.Exchange == "" {
		return r, errors.New("it wants a reply and names no exchange")
	}
	return r, nil
}

// clockOf is the sender's clock; 0 where it tells none.
func clockOf(m brokers.Message) int64 {
	switch n := m.Headers["clock"].(type) {
	case int64:
		return n
	case int:
		return int64(n)
	case float64:
		return int64(n)
	}
	return 0
}

// namespace is what the names of exchanges and queues end in.
type namespace string

func (n namespace) orDefault() namespace {
	if n == "" {
		return "celery" // Celery's default of control_exchange
	}
	return n
}

// commands is where every node listens; replies is where it answers unless told otherwise.
func (n namespace) commands() brokers.Exchange {
	return brokers.Exchange{Name: string(n.orDefault()) + ".pidbox", Kind: brokers.Fanout}
}

func (n namespace) replies() brokers.Exchange {
	return brokers.Exchange{Name: "reply." + n.commands().Name, Kind: brokers.Direct}
}

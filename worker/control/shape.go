package control

import (
	"encoding/json"
	"time"

	"taskbench/brokers"
)

// A TaskInfo is a task as active, reserved, scheduled and query_task tell of it.
type TaskInfo struct {
	ID           string       `json:"id"`
	Name         string       `json:"name"` // the shadow's, where the task has one
	Args         any          `json:"args"` // a list; for active(safe=true) the text of one
	Kwargs       any          `json:"kwargs"`
	Type         string       `json:"type"` // the task's own name
	Hostname     string       `json:"hostname"`
	TimeStart    *Float       `json:"time_start"` // Unix time; null until it has started
	Acknowledged bool         `json:"acknowledged"`
	DeliveryInfo DeliveryInfo `json:"delivery_info"`
	WorkerPID    *int         `json:"worker_pid"` // null until it has started
}

// A DeliveryInfo is how a task came. Redelivered is null where the broker cannot tell.
type DeliveryInfo struct {
	Exchange    string `json:"exchange"`
	RoutingKey  string `json:"routing_key"`
	Priority    int    `json:"priority"`
	Redelivered *bool  `json:"redelivered"`
}

// UnixTime is a moment as TaskInfo.TimeStart has it; the zero time is null.
func UnixTime(t time.Time) *Float {
	if t.IsZero() {
		return nil
	}
	f := Float(float64(t.UnixMicro()) / 1e6)
	return &f
}

// A Scheduled is a task that waits for its time.
type Scheduled struct {
	ETA      string   `json:"eta"`      // ISO 8601 with an offset
	Priority int      `json:"priority"` // of its timer: Celery's are 6
	Request  TaskInfo `json:"request"`
}

// A Found is a task as query_task tells of it: ["active", {...}].
type Found struct {
	State string // "active", "reserved" or "ready"
	Info  TaskInfo
}

// MarshalJSON implements json.Marshaler.
func (f Found) MarshalJSON() ([]byte, error) { return json.Marshal([]any{f.State, f.Info}) }

// A Queue is one that a worker consumes from, as active_queues tells of it. What is null is not set.
type Queue struct {
	Name              string        `json:"name"`
	Exchange          QueueExchange `json:"exchange"`
	RoutingKey        string        `json:"routing_key"`
	QueueArguments    any           `json:"queue_arguments"`
	BindingArguments  any           `json:"binding_arguments"`
	ConsumerArguments any           `json:"consumer_arguments"`
	Durable           bool          `json:"durable"`
	Exclusive         bool          `json:"exclusive"`
	AutoDelete        bool          `json:"auto_delete"`
	NoAck             bool          `json:"no_ack"`
	Alias             *string       `json:"alias"`
	Bindings          []any         `json:"bindings"`
	NoDeclare         *bool         `json:"no_declare"`
	Expires           *Float        `json:"expires"`
	MessageTTL        *Float        `json:"message_ttl"`
	MaxLength         *int          `json:"max_length"`
	MaxLengthBytes    *int          `json:"max_length_bytes"`
	MaxPriority       *int          `json:"max_priority"`
}

// A QueueExchange is the exchange that a queue is bound to.
type QueueExchange struct {
	Name         string `json:"name"`
	Type         string `json:"type"`
	Arguments    any    `json:"arguments"`
	Durable      bool   `json:"durable"`
	Passive      bool   `json:"passive"`
	AutoDelete   bool   `json:"auto_delete"`
	DeliveryMode *int   `json:"delivery_mode"`
	NoDeclare    bool   `json:"no_declare"`
}

// QueueOf tells of a lasting queue by its binding. Without an exchange that is the one of the queue's name.
func QueueOf(b brokers.Binding) Queue {
	if b.Exchange.Name == "" {
		b.Exchange = brokers.Exchange{Name: b.Queue, Kind: brokers.Direct, Durable: true}
		b.Key = b.Queue
	}
	return Queue{
		Name: b.Queue, RoutingKey: b.Key, Durable: true, Bindings: []any{},
		Exchange: QueueExchange{Name: b.Exchange.Name, Type: string(b.Exchange.Kind), Durable: b.Exchange.Durable},
		Expires:  seconds(b.Expires), MessageTTL: seconds(b.TTL),
	}
}

func seconds(d time.Duration) *Float {
	if d <= 0 {
		return nil
	}
	f := Float(d.Seconds())
	return &f
}

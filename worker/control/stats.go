package control

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
)

// Stats is what the command of that name replies. Flower and celery-exporter read it.
type Stats struct {
	Total         map[string]int64 `json:"total"`  // tasks begun, by name
	PID           int              `json:"pid"`    // of the worker
	Clock         string           `json:"clock"`  // a number, as text
	Uptime        int64            `json:"uptime"` // whole seconds
	Pool          PoolStats        `json:"pool"`
	Broker        BrokerStats      `json:"broker"`
	PrefetchCount int              `json:"prefetch_count"`
	Usage         Usage            `json:"rusage"`
	Autoscaler    *AutoscalerStats `json:"autoscaler,omitempty"`
}

// MarshalJSON implements json.Marshaler. What readers go through is never null.
func (s Stats) MarshalJSON() ([]byte, error) {
	type plain Stats
	if s.Total == nil {
		s.Total = map[string]int64{}
	}
	if s.Pool.Processes == nil {
		s.Pool.Processes = []int{}
	}
	if s.Pool.MaxTasks == nil {
		s.Pool.MaxTasks = "N/A"
	}
	return json.Marshal(plain(s))
}

// PoolStats tells of a pool.
type PoolStats struct {
	Implementation string      `json:"implementation"` // "celery.concurrency.prefork:TaskPool" with Celery
	MaxConcurrency int         `json:"max-concurrency"`
	Processes      []int       `json:"processes"`           // celery-exporter counts them
	MaxTasks       any         `json:"max-tasks-per-child"` // a number; nil is "N/A"
	Guarded        bool        `json:"put-guarded-by-semaphore"`
	Timeouts       [2]float64  `json:"timeouts"` // soft and hard, in seconds; 0 is none
	Writes         *WriteStats `json:"writes,omitempty"`
}

// WriteStats tell how many tasks each of a pool's processes was given.
type WriteStats struct {
	Total    int64         `json:"total"`
	Average  string        `json:"avg"`
	All      string        `json:"all"`
	Raw      string        `json:"raw"`
	Strategy string        `json:"strategy"`
	Inqueues InqueuesStats `json:"inqueues"`
}

// InqueuesStats are of the pipes into a pool's processes.
type InqueuesStats struct {
	Total  int `json:"total"`
	Active int `json:"active"`
}

// AutoscalerStats tell of a pool that changes its size.
type AutoscalerStats struct {
	Max     int `json:"max"`
	Min     int `json:"min"`
	Current int `json:"current"`
	Qty     int `json:"qty"` // tasks in hand
}

// BrokerStats tell of a worker's connection, without its password.
type BrokerStats struct {
	Hostname         string         `json:"hostname"`
	UserID           *string        `json:"userid"`
	VirtualHost      string         `json:"virtual_host"`
	Port             int            `json:"port"`
	Insist           bool           `json:"insist"`
	SSL              bool           `json:"ssl"`
	Transport        string         `json:"transport"`
	ConnectTimeout   float64        `json:"connect_timeout"`
	TransportOptions map[string]any `json:"transport_options"`
	LoginMethod      *string        `json:"login_method"`
	URIPrefix        *string        `json:"uri_prefix"`
	Heartbeat        Float          `json:"heartbeat"`
	FailoverStrategy string         `json:"failover_strategy"`
	Alternates       []string       `json:"alternates"`
}

// BrokerOf tells of a connection by its URL, as far as that can be read.
func BrokerOf(rawURL string) BrokerStats {
	s := BrokerStats{
		ConnectTimeout: 4, TransportOptions: map[string]any{}, Alternates: []string{}, FailoverStrategy: "round-robin",
	}
	rawURL, others, several := strings.Cut(rawURL, ";sentinel://")
	u, err := url.Parse(rawURL)
	if err != nil {
		return s
	}
	if several { // the database stands behind the last of them
		_, path, _ := strings.Cut(others[strings.LastIndex(others, "@")+1:], "/")
		u.Path, _, _ = strings.Cut(path, "?")
	}
	s.Transport, s.Hostname, s.VirtualHost = u.Scheme, u.Hostname(), strings.TrimPrefix(u.Path, "/")
	s.Port, _ = strconv.Atoi(u.Port()) // 0 where there is none
	if user := u.User.Username(); user != "" {
		s.UserID = &user
	}
	switch u.Scheme {
	case "amqps", "rediss":
		s.Transport, s.SSL = strings.TrimSuffix(u.Scheme, "s"), true
	}
	if s.Transport == "amqp" && s.VirtualHost == "" {
		s.VirtualHost = "/"
	}
	return s
}

// Usage is what a process has used, as Python's resource.getrusage tells it.
type Usage struct {
	UserSeconds   Float `json:"utime"`
	SystemSeconds Float `json:"stime"`
	MaxRSS        int64 `json:"maxrss"` // KiB
	SharedMemory  int64 `json:"ixrss"`
	Data          int64 `json:"idrss"`
	Stack         int64 `json:"isrss"`
	MinorFaults   int64 `json:"minflt"`
	MajorFaults   int64 `json:"majflt"`
	Swaps         int64 `json:"nswap"`
	BlocksIn      int64 `json:"inblock"`
	BlocksOut     int64 `json:"oublock"`
	MessagesSent  int64 `json:"msgsnd"`
	MessagesGot   int64 `json:"msgrcv"`
	Signals       int64 `json:"nsignals"`
	Voluntary     int64 `json:"nvcsw"`  // switches of context
	Involuntary   int64 `json:"nivcsw"` // switches of context
}

package brokers

import "context"

// A Limit is one of a server's own limits, which the server can be told while it runs.
type Limit struct {
	Name string // one of those below
	// Inside marks one that is told by a command that runs beside the server, and not by the server's own protocol.
	Inside bool
	// Policies are by which the server can choose what to do beyond the limit; nil where it has no choice.
	Policies []string
	// Reach lowers the limit so far that the server has reached it, and returns with what the server says of that and
	// how to give the limit back. The restoring outlives ctx. On error the limit is as it was, unless the error says so.
	// The last argument is one of the policies, or the number of a limit that is one; others have none and take "".
	Reach func(ctx context.Context, c Console, to string) (said string, restore func(ctx context.Context) error, err error)
}

// A Console is how a server is told what is not for its clients to say.
type Console struct {
	URL string
	Run func(ctx context.Context, args ...string) (output string, err error) // a command beside the server; nil where there is none
}

// Limit finds one of the server's limits by name.
func (s ServerSpec) Limit(name string) (Limit, bool) {
	for _, l := range s.Limits {
		if l.Name == name {
			return l, true
		}
	}
	return Limit{}, false
}

// The names of limits.
const (
	LimitMemory      = "memory"       // publishes are refused or blocked
	LimitEviction    = "eviction"     // likewise, and the server makes room by forgetting what it holds
	LimitDisk        = "disk"         // publishes are refused or blocked
	LimitConnections = "connections"  // nobody else gets in
	LimitLength      = "queue length" // publishes to a queue are refused that has so many messages ready
	LimitHolding     = "holding time" // who holds a message for longer than so many milliseconds loses it to others
)

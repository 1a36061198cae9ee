package brokers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Durability says what an acknowledged publish survives. Only equal classes are ranked together.
type Durability string

// The durability classes, weakest first.
const (
	Memory    Durability = "memory"     // lost when the broker's process dies
	PageCache Durability = "page-cache" // survives SIGKILL of the broker, not a power cut
	Fsync     Durability = "fsync"      // on disk before the confirm
)

// A Promise is one thing that a variant says of itself and that brokertest then demands of it.
type Promise string

// The promises. A clause that needs one which a variant does not make is not applied to it.
const (
	Confirms      Promise = "confirms"       // Publish returns only once the server has taken the message
	SurvivesKill  Promise = "survives-kill"  // confirmed messages survive SIGKILL and restart of the server
	Redelivers    Promise = "redelivers"     // an unsettled message comes back when its consumer's connection ends
	RedeliverFlag Promise = "redeliver-flag" // and says so
	Timeout       Promise = "timeout"        // an unsettled message comes back after a visibility timeout or lease, which Variant.Lease is
	FIFO          Promise = "fifo"           // one queue, one consumer: in the order of publishing
	Priorities    Promise = "priorities"     // urgent messages overtake
	DeadLetters   Promise = "dead-letters"   // Nack without requeue keeps the message aside, in DeadLetterQueue
	Counts        Promise = "counts"         // Inspector tells the truth
	CountsUnacked Promise = "counts-unacked" // and knows the unacked too
	Purges        Promise = "purges"
	Exchanges     Promise = "exchanges" // it is an Exchanger
	Delays        Promise = "delays"    // it is a Delayer
)

// DeadLetterQueue is where a variant that promises DeadLetters keeps the rejected messages of a queue.
func DeadLetterQueue(queue string) string { return queue + deadLetters }

// IsDeadLetterQueue tells whether a queue is named as one that keeps rejected messages.
func IsDeadLetterQueue(queue string) bool { return strings.HasSuffix(queue, deadLetters) }

const deadLetters = ".dead"

// A Variant is one broker set up one way.
type Variant struct {
	Name       string
	Doc        string // one sentence: how a message lives and dies in it
	Durability Durability
	Promises   []Promise
	Settings   map[string]string // every server and client setting that is not the product's default
	Members    int               // how many servers stand together as one, by the server's Cluster; 0 and 1 are one alone
	Images     []string          // container images that can be it, instead of all the server's; nil where each of those can

	// Lease is for how long a message stays with a consumer that gives no sign of life, where the URL says nothing else. A
	// living consumer renews it before half of it is over, for as long as it holds the message. It is 0 without Timeout.
	Lease time.Duration
}

// Promised tells whether the variant makes the promise.
func (v Variant) Promised(p Promise) bool { return slices.Contains(v.Promises, p) }

// The guarantees that a variant can give of a message whose consumer acknowledges it late.
const (
	AtLeastOnce = "at-least-once" // it comes back until it was acknowledged
	AtMostOnce  = "at-most-once"  // it is handed out once, whatever becomes of it
)

// Guarantee is which of them the variant's promises amount to.
func (v Variant) Guarantee() string {
	if v.Promised(Redelivers) || v.Promised(Timeout) {
		return AtLeastOnce
	}
	return AtMostOnce
}

// A Driver is all that the rest of the program knows of one broker. Each folder below this package exports one,
// named Driver; the first of its Variants is the default.
type Driver struct {
	Name     string
	Variants []Variant

	// Open connects to a server at url, as variant v, and declares nothing. It returns within the
	// context's deadline; a refused connection is a Definite error.
	Open func(ctx context.Context, url string, v Variant) (Broker, error)

	Server ServerSpec

	// Wire says how a variant's steps look on the wire. It may be nil: then no fault can be timed by them.
	Wire func(v Variant) Wire
}

// Variant finds a variant by name; "" is the default one.
func (d Driver) Variant(name string) (Variant, error) {
	if name == "" {
		return d.Variants[0], nil
	}
	known := make([]string, 0, len(d.Variants))
	for _, v := range d.Variants {
		if v.Name == name {
			return v, nil
		}
		known = append(known, v.Name)
	}
	return Variant{}, fmt.Errorf("broker %s has no variant %q: it has %s", d.Name, name, strings.Join(known, ", "))
}

// A ServerSpec is what a lab needs to start a broker's server. Its zero value is a broker without a server.
type ServerSpec struct {
	Product string // as reports name it: "redis", "rabbitmq"

	// Container lab. Images are tried in order: official pinned ones first, the locally built one last.
	Images []string
	Port   int    // inside the container
	Data   string // the data directory inside the container, on a volume

	// Process lab: each must be on PATH, by any name of those separated by "|", or where a name with slashes, a pattern as
	// of path/filepath, finds it.
	Binaries []string

	// Oldest is the oldest version of its one binary that will do, by what it says to --version; "" is any.
	Oldest string

	// Program is what the machine's own Go makes that binary of, under the name that Command starts. The process lab has it
	// where none on PATH will do, and the embedded lab, whatever is on PATH; "" where there is none.
	Program Program

	// Command is how the server is started, in a container or as a process. Restarting it with the same
	// Launch keeps its data.
	Command func(l Launch) Command

	// Embedded starts the server inside this process; nil where there is none. Closing the server is its SIGKILL:
	// connections break, and what the variant does not keep is gone.
	Embedded func(ctx context.Context, l Launch) (Server, error)

	// Limits are those of its own that the server can be told while it runs.
	Limits []Limit

	// Cluster is how the servers of a variant with several members stand together.
	Cluster Cluster

	// Library marks a broker that is a library over files in Launch.Dir: there is no server to start or to hurt.
	Library bool

	// URL is what Open takes, for a server that answers at addr ("host:port"; a directory for a Library).
	URL func(addr string) string

	// Stay is the URL of the one server that a URL names, for a client that would find others by way of it; nil where clients
	// stay with what they are given.
	Stay func(url string) string

	// Ready makes a real protocol exchange with the server and returns its version. The lab repeats it
	// until it succeeds or the lab's patience ends.
	Ready func(ctx context.Context, url string) (version string, err error)
}

// A Launch says where one server is to run and as which variant.
type Launch struct {
	Variant   Variant
	Dir       string // data directory, its own
	Host      string // address to listen on
	Port      int
	Container bool // whether Command runs inside a container

	// Of a member of several: the name by which the others reach its host, the names of all of them, the first one first,
	// and what they know each other by and nobody else has. Peers is nil for a server alone.
	Name   string
	Peers  []string
	Secret string
}

// A Command is one server start.
type Command struct {
	Args  []string
	Env   []string          // "NAME=value", added to the lab's own
	Files map[string]string // configuration, written relative to Launch.Dir before the start
}

// A Server is an embedded one.
type Server interface{ Close() error }

// Package lab is where brokers live while they are measured and hurt: containers, processes, this process
// itself, or a server that somebody else runs.
package lab

import (
	"context"
	"time"

	"taskbench/brokers"
)

// A Lab starts broker servers.
type Lab interface {
	Name() string // docker, process, embedded or external

	// Unfit says why the lab cannot run the driver's server as that variant, or "" when it can. It starts nothing, and it
	// does not pull or build.
	Unfit(ctx context.Context, d brokers.Driver, v brokers.Variant) string

	// Start brings a server up and returns once it answers its own protocol. On error nothing is left
	// behind, and the error carries the end of the server's log.
	Start(ctx context.Context, r Request) (Node, error)
}

// A Maker is a lab that may have to make a server before it can start it.
type Maker interface {
	// Makes names what Start would make for the driver first, and once for all, or is "".
	Makes(ctx context.Context, d brokers.Driver) string
}

// A Request asks for one server.
type Request struct {
	Driver   brokers.Driver
	Variant  brokers.Variant
	Name     string        // node name, unique in the run: "broker"
	LogPath  string        // where the node's output is captured
	Patience time.Duration // how long it may take to become ready; 0 is a minute
	Port     int           // fixed port on 127.0.0.1, 0 for a free one
	Disk     int64         // bytes of a disk of its own for its data, which Fill fills; 0 is none. Servers that are processes have them, for root on Linux
	Keep     bool          // not to be swept when its owner is gone: `bench up`
}

// A Node is one running server. Its methods may be called from several goroutines; actions are serialised.
type Node interface {
	Info() Info

	// Can says why the action does not apply to this node, or "".
	Can(a Action) string

	// Do performs the action and returns once its effect has been seen: after Kill and Stop the process is gone,
	// after Start the server answers its protocol, after Pause no thread runs, after Wipe the data are gone. Doing what is already so is an error.
	Do(ctx context.Context, a Action) error

	// Stats samples what the node uses now. After Kill or Stop it is an error.
	Stats(ctx context.Context) (Stats, error)

	// Close ends the node and removes everything it left, data included. A second call does nothing.
	Close(ctx context.Context) error
}

// An Action is something that can be done to a node.
type Action string

// The actions. Kill is SIGKILL, Stop the product's orderly shutdown; Start brings a killed or stopped node back
// with its data and its address; Pause freezes every thread without telling anyone, Resume thaws. Wipe throws away the
// data of a node that is down, so that its next start is as its first. Exhaust takes memory away from a node until the
// kernel kills it for want of it, and gives the limit back. Fill takes all room that is left on a node's own disk, Free gives it
// back, also to a server that has ended over it. Isolate cuts a member of a Group off from the other members,
// and from nobody else; Rejoin undoes that.
const (
	Kill    Action = "kill"
	Stop    Action = "stop"
	Start   Action = "start"
	Pause   Action = "pause"
	Resume  Action = "resume"
	Wipe    Action = "wipe"
	Exhaust Action = "exhaust"
	Fill    Action = "fill"
	Free    Action = "free"
	Isolate Action = "isolate"
	Rejoin  Action = "rejoin"
)

// A Group is a node that stands for several servers, which stand together as one broker. What is done to it is done to each
// of them, and its URL leads to all.
type Group interface {
	Node

	// Members are its servers, each a node by itself: a fault may hurt one alone.
	Members() []Node
}

// A Throttle is a node whose share of the processor can be limited while it runs.
type Throttle interface {
	// Throttle limits the node to so many cores, which may be less than one; 0 gives back what it was started with. A
	// start after a kill or a stop keeps the limit.
	Throttle(ctx context.Context, cores float64) error
}

// An Insider is a node in which a command can be run beside its server.
type Insider interface {
	// Run runs the command where the server runs, and returns what it printed once it has ended. Its failure is an
	// error that carries the end of that.
	Run(ctx context.Context, args ...string) (output string, err error)
}

// Info describes a node. The address stays the same across restarts.
type Info struct {
	Name     string
	Lab      string
	Product  string            // "redis"
	Version  string            // as the server itself tells
	Image    string            // what really ran, with its id; "" outside containers
	Addr     string            // host:port; "" for a library broker
	URL      string            // what Driver.Open takes, without the fault proxy
	PID      int               // 0 where there is none of its own
	Shared   bool              // it runs inside this process: Stats are those of this whole process
	Settings map[string]string // every non-default setting
}

// Stats is one sample of what a node uses.
type Stats struct {
	CPUSeconds float64 // user and system, since the node's first start
	RSS        int64   // bytes
	FDs        int     // -1 unknown
	Conns      int     // established TCP connections, up to two seconds old; -1 unknown
}

package faults

import (
	"fmt"

	"taskbench/brokers"
	"taskbench/harness/lab"
	"taskbench/harness/lab/proxy/step"
)

// A Setting is what is known of a cell before anything has started: enough to say that a fault cannot apply.
type Setting struct {
	Lab     string // docker, process, embedded, external
	Library bool   // the broker is a library inside each worker
	Pool    string
	Wire    brokers.Wire       // what is spoken on the way to the broker
	Server  brokers.ServerSpec // of the broker
}

// Step says why no fault can be made to happen at a step of the protocol in the setting, or "".
func (s Setting) Step(at step.Step) string {
	if s.Library {
		return s.link()
	}
	return step.Unfit(s.Wire, at)
}

// server says why an action on the broker's server is impossible in the setting, or "".
func (s Setting) server(a lab.Action) string {
	switch {
	case s.Library:
		return "the broker is a library inside each process: there is no server to hurt, hurt a worker instead"
	case s.Lab == "external":
		return fmt.Sprintf("the server is somebody else's: no %s from here", a)
	case s.Lab == "embedded" && (a == lab.Pause || a == lab.Resume):
		return "the server shares its process with the harness: freezing it would freeze the judge"
	}
	return ""
}

// link says why a fault on the way to the broker is impossible in the setting, or "".
func (s Setting) link() string {
	if s.Library {
		return "the broker is a library inside each process: there is no connection to cut"
	}
	return ""
}

func always(Setting) string { return "" }

package faults

import (
	"fmt"

	"taskbench/brokers"
	"taskbench/harness/lab"
	"taskbench/harness/lab/proxy/step"
	"taskbench/harness/scenario"
)

// A Setting is what is known of a cell before anything has started: enough to say that a fault cannot apply.
type Setting struct {
	Lab     string // docker, process, embedded, external
	Library bool   // the broker is a library inside each worker
	Pool    string
	Wire    brokers.Wire       // what is spoken on the way to the broker
	Server  brokers.ServerSpec // of the broker
	Members int                // how many servers it is; 0 and 1 are one
	Node    string             // whom the fault is aimed at: worker, broker, or one server of it
	Params  map[string]string  // of the fault, as they are written; nil when there are none
}

// aimed tells whether the fault is aimed at one server of several.
func (s Setting) aimed() bool { return scenario.Kind(s.Node) != s.Node }

// UnfitIn says why the fault cannot be applied in the setting, or "".
func (f Fault) UnfitIn(s Setting) string {
	n, numbered := scenario.Member(s.Node)
	switch {
	case s.aimed() && s.Members <= 1:
		return fmt.Sprintf("the broker is one server, which has no %s: use node broker, or a variant of several servers", s.Node)
	case numbered && n > s.Members:
		return fmt.Sprintf("the broker is %d servers", s.Members)
	case f.Member && !s.aimed():
		return "it is for one server of several: use node leader, replica or broker-1, and a variant of several servers"
	}
	return f.Unfit(s)
}

// within tells whether the broker's server is in this process: one that Go makes is embedded as a process of its own.
func (s Setting) within() bool { return s.Lab == "embedded" && s.Server.Program == "" }

// several says why what needs one server alone cannot be done to a broker of several, or "".
func (s Setting) several() string {
	if s.Members > 1 && !s.aimed() {
		return fmt.Sprintf("the broker is %d servers, each with a way and limits of its own: use node leader, replica or broker-1", s.Members)
	}
	return ""
}

// Step says why no fault can be made to happen at a step of the protocol in the setting, or "".
func (s Setting) Step(at step.Step) string {
	if s.Library {
		return s.link()
	}
	if s.Members > 1 {
		return fmt.Sprintf("the broker is %d servers, and steps are looked for on the way to one", s.Members)
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
	case a == lab.Wipe && s.aimed():
		return "a server that has forgotten the others is not one of them when it comes back"
	case a == lab.Exhaust || a == lab.Isolate:
		return s.several()
	case s.within() && (a == lab.Pause || a == lab.Resume):
		return "the server shares its process with the harness: freezing it would freeze the judge"
	}
	return ""
}

// link says why a fault on the way to the broker is impossible in the setting, or "".
func (s Setting) link() string {
	if s.Library {
		return "the broker is a library inside each process: there is no connection to cut"
	}
	return s.several()
}

func always(Setting) string { return "" }

package faults

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"taskbench/brokers"
	"taskbench/harness/lab"
	"taskbench/harness/scenario"
)

// A fakeMember is a node that is asked, and does nothing.
type fakeMember struct {
	lab.Node
	name string
}

func (f fakeMember) Info() lab.Info { return lab.Info{Name: f.name, URL: "fake://" + f.name} }

func (f fakeMember) Run(context.Context, ...string) (string, error) { return "", nil }

// A fakeCluster is three of them and what they say.
type fakeCluster struct {
	says  map[string]brokers.Standing // by member; who is missing does not answer
	asked []string
}

func (c *fakeCluster) target() Target {
	t := Target{Queue: "q", Rand: rand.New(rand.NewPCG(1, 1))}
	for _, name := range []string{"broker-1", "broker-2", "broker-3"} {
		t.Members = append(t.Members, Member{Node: fakeMember{name: name}, Via: "via-" + name, SendVia: "send-" + name})
	}
	t.Driver.Server.Cluster.Standing = func(_ context.Context, console brokers.Console, queue string) (brokers.Standing, error) {
		name := strings.TrimPrefix(console.URL, "fake://")
		c.asked = append(c.asked, name)
		s, ok := c.says[name]
		if !ok || queue != "q" {
			return s, errors.New(name + " does not answer")
		}
		return s, nil
	}
	return t
}

func all3(leader string) brokers.Standing {
	return brokers.Standing{Leader: leader, Replicas: []string{"broker-1", "broker-2", "broker-3"}}
}

func TestAim(t *testing.T) {
	c := &fakeCluster{says: map[string]brokers.Standing{"broker-2": all3("broker-3")}} // the first one does not answer
	for address, want := range map[string][]string{
		scenario.Leader: {"broker-3"}, scenario.Replica: {"broker-1", "broker-2"}, "broker-2": {"broker-2"},
	} {
		got, err := c.target().Aim(t.Context(), address)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		name := got.Broker.Info().Name
		if !slices.Contains(want, name) || got.Via != "via-"+name || got.SendVia != "send-"+name {
			t.Errorf("%s is %s by way of %s and %s", address, name, got.Via, got.SendVia)
		}
	}
	for _, whole := range []string{"broker", "worker"} {
		if got, err := c.target().Aim(t.Context(), whole); err != nil || got.aim != nil {
			t.Errorf("%s was aimed at %+v: %v", whole, got.aim, err)
		}
	}
	for says, standing := range map[string]brokers.Standing{"no leader": {Replicas: []string{"broker-1"}}, "no replica": {Leader: "broker-1", Replicas: []string{"broker-1"}}} {
		c.says["broker-2"] = standing
		address := strings.TrimPrefix(says, "no ")
		if _, err := c.target().Aim(t.Context(), address); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// struck injects a fault at the leader, after which the others say what is given.
func struck(t *testing.T, after brokers.Standing, healed *int) (Effect, error) {
	t.Helper()
	c := &fakeCluster{says: map[string]brokers.Standing{"broker-1": all3("broker-1")}}
	target, err := c.target().Aim(t.Context(), scenario.Leader)
	if err != nil {
		t.Fatal(err)
	}
	heal := func(context.Context) (string, error) {
		*healed++
		c.says["broker-2"] = all3("broker-2")
		return "started", nil
	}
	f := Fault{Name: "f", Absent: true, Inject: func(context.Context, Target, Args) (Effect, error) {
		c.says = map[string]brokers.Standing{"broker-2": after}
		return Effect{Node: "broker-1", Proof: "gone", Heal: heal}, nil
	}}
	e, err := f.Strike(t.Context(), target, Args{})
	if i := slices.Index(c.asked[1:], "broker-1"); i >= 0 {
		t.Errorf("the victim was asked: %v", c.asked)
	}
	return e, err
}

func TestOthersSayThatAMemberIsGoneAndBack(t *testing.T) {
	healed := 0
	e, err := struck(t, brokers.Standing{Leader: "broker-2", Replicas: []string{"broker-2", "broker-3"}}, &healed)
	if err != nil || !strings.Contains(e.Proof, "broker-2 says: queue q is led by broker-2 (before: broker-1) and held by broker-2, broker-3") {
		t.Fatalf("%+v, %v", e, err)
	}
	proof, err := e.Heal(t.Context())
	if err != nil || healed != 1 || !strings.Contains(proof, "held by broker-1, broker-2, broker-3") {
		t.Errorf("healed %d times: %s, %v", healed, proof, err)
	}
}

// A member that the others still see, and a queue that nobody leads, are no effect: what was done is undone.
func TestMemberThatIsNotGoneIsNoEffect(t *testing.T) {
	for what, after := range map[string]brokers.Standing{
		"seen": all3("broker-2"), "leaderless": {Replicas: []string{"broker-2", "broker-3"}}, "leads": {Leader: "broker-1", Replicas: []string{"broker-2"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			healed := 0
			if e, err := struck(t, after, &healed); err == nil || healed != 1 || !strings.Contains(err.Error(), "is gone") {
				t.Errorf("%s: %+v, healed %d times, %v", what, e, healed, err)
			}
		})
	}
}

// Who is back and does not hold its copy is not healed.
func TestMemberThatDoesNotCatchUpIsNotHealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &fakeCluster{says: map[string]brokers.Standing{"broker-1": {Leader: "broker-1", Replicas: []string{"broker-1", "broker-2"}}}}
		target, err := c.target().Aim(t.Context(), "broker-3")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), noticed)
		defer cancel()
		if said, err := target.whole(ctx); err == nil {
			t.Errorf("whole: %s", said)
		}
	})
}

func TestAddressesAreUnfitWithAReason(t *testing.T) {
	for _, c := range []struct {
		fault, node string
		members     int
		want        string
	}{
		{"kill", "broker", 3, ""}, {"kill", "leader", 3, ""}, {"kill", "broker-3", 3, ""}, {"partition", "replica", 3, ""}, {"disconnect", "replica", 3, ""},
		{"kill", "leader", 0, "one server"}, {"kill", "broker-1", 1, "one server"}, {"kill", "broker-4", 3, "3 servers"},
		{"partition", "broker", 3, "one server of several"}, {"wipe", "leader", 3, "forgotten"}, {"wipe", "broker", 3, ""},
		{"disconnect", "broker", 3, "node leader"}, {"memory-limit", "broker", 3, "node leader"}, {"cpu-starve", "broker", 3, "node leader"},
	} {
		f, err := Find(c.fault, c.node)
		if err != nil {
			t.Fatal(err)
		}
		why := f.UnfitIn(Setting{Lab: "docker", Members: c.members, Node: c.node})
		if (why == "") != (c.want == "") || !strings.Contains(why, c.want) {
			t.Errorf("%s on %s of %d: %q, want %q", c.fault, c.node, c.members, why, c.want)
		}
	}
}

package harness

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"taskbench/harness/faults"
	"taskbench/harness/lab"
	"taskbench/harness/lab/labtest"
	"taskbench/harness/lab/proxy"
	"taskbench/harness/ledger"
	"taskbench/harness/scenario"
)

// A fault that is due when the one before is to be healed begins when it has been: healing takes the proxy's every
// fault away, so that the second would be reported in force and hurt nobody.
func TestFaultsOnTheBrokerFollowEachOther(t *testing.T) {
	server, err := labtest.Serve("127.0.0.1:0", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	p, err := proxy.Listen(t.Context(), server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	s := &stage{node: still{}, proxy: p, start: ledger.Now()}
	s.clock = &clock{watch: func(Progress) {}}
	s.cell.Driver = labtest.Driver()
	s.url = s.cell.Driver.Server.URL(p.AddrOf(proxy.Workers))
	s.sendURL = s.cell.Driver.Server.URL(p.AddrOf(proxy.Publishers))
	s.cell.Scenario.Faults = []scenario.Fault{
		{Fault: "half-open", Node: "broker", Number: 1, At: 0, For: 200 * time.Millisecond},
		{Fault: "disconnect", Node: "broker", Number: 2, At: 200 * time.Millisecond, For: 600 * time.Millisecond},
	}
	done := s.breakAndHeal(t.Context(), time.Now())
	for _, i := range done {
		if i.err != nil || i.healed == 0 {
			t.Errorf("%s: healed at %d, %v", i.name, i.healed, i.err)
		}
	}
	if done[0].number != 1 || done[1].number != 2 || done[1].planned.At != 200*time.Millisecond {
		t.Errorf("what happened is not numbered as it was planned: %+v", done)
	}
	if done[1].at < done[0].healed {
		t.Errorf("disconnect began at %v, before half-open was healed at %v", time.Duration(done[1].at), time.Duration(done[0].healed))
	}
}

// deathless says that it was killed, and runs on.
type deathless struct{ still }

func (deathless) Do(_ context.Context, a lab.Action) error {
	if a == lab.Start {
		return errors.New("it runs already")
	}
	return nil
}

// A fault that hit nothing and whose healing fails is said to be both: the first is why of the second.
func TestNoEffectIsToldWithTheFailedHealing(t *testing.T) {
	s := &stage{start: ledger.Now(), turns: newTurns(0)}
	s.clock = &clock{watch: func(Progress) {}}
	target := faults.Target{Broker: deathless{}, Driver: labtest.Driver()}
	target.Driver.Server.Ready = func(context.Context, string) (string, error) { return "", nil }
	i := s.inject(t.Context(), scenario.Fault{Fault: "kill", Node: "broker"}, target, nil)
	for _, want := range []string{"had no effect that could be seen", "it runs already"} {
		if i.err == nil || !strings.Contains(i.err.Error(), want) {
			t.Errorf("%v does not say %q", i.err, want)
		}
	}
}

package scenario

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func whole(t *testing.T) Scenario {
	t.Helper()
	s, err := Parse("whole.yaml", readFile(t, "whole.yaml"), known, Full)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOverride(t *testing.T) {
	s := whole(t)
	err := Override(&s, known,
		"system.acks=early", "load.shape=burst", "load.burst=100", "load.every=2s", "load.rate=0/s", "load.from=0/s",
		"workload.tasks.0.duration.p50=30ms", "workload.tasks.1.duration={dist: exponential, mean: 5ms}",
		"faults.0.delay=70ms", "faults.0.jitter=1ms", "faults.1.for=3s", "expect=[lost == 1]", "run.pools=[goroutine]", "asks=And now?")
	if err != nil {
		t.Fatal(err)
	}
	if s.System.Acks != "early" || s.Load.Shape != "burst" || s.Load.Burst != 100 || s.Load.Every != 2*time.Second {
		t.Errorf("system %+v, load %+v", s.System, s.Load)
	}
	if d := s.Workload.Tasks[0].Duration; d.P50 != 30*time.Millisecond || d.P99 != 200*time.Millisecond {
		t.Errorf("duration of the first task is %+v", d)
	}
	if d := s.Workload.Tasks[1].Duration; d != (Dist{Kind: "exponential", Mean: 5 * time.Millisecond}) {
		t.Errorf("duration of the second task is %+v", d)
	}
	if p := s.Faults[0].Params; p["delay"] != "70ms" || p["jitter"] != "1ms" || s.Faults[1].For != 3*time.Second {
		t.Errorf("faults %+v", s.Faults)
	}
	if len(s.Expect) != 1 || s.Expect[0].Expr != "lost == 1" || s.Asks != "And now?" || s.Run.Pools[0] != "goroutine" {
		t.Errorf("%+v", s)
	}
}

func TestOverrideTellsEveryMistakeAndChangesNothing(t *testing.T) {
	s := whole(t)
	err := Override(&s, known, "load.rat=5/s", "load.for=15", "faults.7.for=1s", "system.acks", "name.first=x",
		"system.workers=1", "faults.0.dely=1ms", "workload.tasks.0.task=iio", "drain={", "faults.0.delay=1s")
	if err == nil {
		t.Fatal("nine mistakes were accepted")
	}
	want := strings.TrimSpace(`
load.rat: unknown key "rat": did you mean rate?
load.for: "15" is no duration: want a number with ns, us, ms, s, m or h, such as 20ms, 30s or 8h
faults.7.for: no item 7: there are 2, counted from 0
"system.acks" is no assignment: want path=value, such as load.rate=500/s
name.first: name has no parts
drain: a value is missing
workload.tasks.0.task: unknown task "iio": did you mean io?
faults.0.dely: unknown key "dely": did you mean delay?`)
	if err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
	if !reflect.DeepEqual(s, whole(t)) {
		t.Errorf("the scenario was changed: %+v", s)
	}
}

func TestOverrideIsJudgedAsAWhole(t *testing.T) {
	s := whole(t)
	if err := Override(&s, known, "load.for=15s"); err == nil || !strings.Contains(err.Error(), "outside the run") {
		t.Errorf("a fault after the end of the shortened load: %v", err)
	}
	if err := Override(&s, known, "load.for=15s", "faults.1.at=3s"); err != nil {
		t.Error(err)
	}
}

func TestPathOf(t *testing.T) {
	for key, want := range map[string]string{"acks": "system.acks", "rate": "load.rate", "load": "", "name": "system.name", "nothing": ""} {
		if got := PathOf(key); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
}

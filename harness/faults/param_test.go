package faults

import (
	"strings"
	"testing"
	"time"

	"taskbench/harness/scenario"
)

// Every parameter of every fault is documented, has a type, and reads its own default back.
func TestParametersAreTypedAndDocumented(t *testing.T) {
	for _, f := range All() {
		for name, p := range f.Params {
			if p.Doc == "" || p.Type() == "" {
				t.Errorf("%s: parameter %s: documentation %q, type %q", f.Name, name, p.Doc, p.Type())
			}
			a, err := f.Args(time.Second, map[string]string{name: scenario.FormatValue(p.Default)})
			if err != nil || a.params[name] != p.Default {
				t.Errorf("%s: parameter %s reads its default %v as %v, %v", f.Name, name, p.Default, a.params[name], err)
			}
		}
		if _, err := f.Args(time.Second, nil); err != nil {
			t.Errorf("%s without parameters: %v", f.Name, err)
		}
	}
}

func TestArgsAreReadByType(t *testing.T) {
	f := Fault{Name: "any", Params: map[string]Param{
		"delay": {Default: time.Second}, "rate": {Default: Bytes(1), Positive: true}, "share": {Default: Percent(50)},
		"by": {Default: time.Hour, Positive: true, Signed: true}, "gain": {Default: Percent(1), Signed: true},
		"wait":  {Default: time.Second, Most: 10 * time.Second},
		"times": {Default: 3}, "side": {Default: "both", Choices: []string{"both", "workers"}},
	}}
	a, err := f.Args(0, map[string]string{"rate": "64KiB", "share": "5%", "side": "workers", "by": "-1m", "gain": "-5%"})
	if err != nil {
		t.Fatal(err)
	}
	if param[time.Duration](a, "delay") != time.Second || param[Bytes](a, "rate") != 64<<10 || param[Percent](a, "share") != 5 ||
		param[int](a, "times") != 3 || param[string](a, "side") != "workers" ||
		param[time.Duration](a, "by") != -time.Minute || param[Percent](a, "gain") != -5 {
		t.Errorf("%+v", a)
	}
	_, err = f.Args(0, map[string]string{"rate": "0B", "share": "101%", "times": "-1", "side": "left", "delay": "5", "dely": "5s", "by": "0s", "gain": "--5%", "wait": "11s"})
	if _, below := f.Args(0, map[string]string{"share": "-5%"}); below == nil {
		t.Error("a share below 0 was read")
	}
	for _, name := range []string{"rate", "share", "times", "side", "delay", "dely", "by", "gain", "wait"} {
		if err == nil || !strings.Contains(err.Error(), "parameter "+name) {
			t.Errorf("the mistake in %s is not told: %v", name, err)
		}
	}
}

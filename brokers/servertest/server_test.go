package servertest

import (
	"context"
	"testing"

	"taskbench/brokers"
)

// A server is started as the variant that was asked for, and, where none was, as the last.
func TestLaunchAsTheVariantAskedFor(t *testing.T) {
	var launched []string
	d := brokers.Driver{
		Name:     "clay",
		Variants: []brokers.Variant{{Name: "first"}, {Name: "last"}},
		Server: brokers.ServerSpec{
			Command: func(l brokers.Launch) brokers.Command {
				launched = append(launched, l.Variant.Name)
				return brokers.Command{Args: []string{"sleep", "600"}}
			},
			URL:   func(addr string) string { return "clay://" + addr },
			Ready: func(context.Context, string) (string, error) { return "1", nil },
		},
	}
	LaunchAs(t, d, d.Variants[0], func(*brokers.Command, string) {})
	Launch(t, d)
	if len(launched) != 2 || launched[0] != "first" || launched[1] != "last" {
		t.Errorf("launched as %q, want first and last", launched)
	}
}

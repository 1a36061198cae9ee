package redis

import (
	"slices"
	"strings"
	"testing"

	"taskbench/brokers"
)

func TestCommandsSayTheirVariant(t *testing.T) {
	for name, want := range map[string]string{
		"aof-everysec": "--appendonly yes --appendfsync everysec --save ",
		"aof-always":   "--appendonly yes --appendfsync always --save ",
		"memory":       "--appendonly no --save ",
		"stream":       "--appendonly yes --appendfsync always --save ",
	} {
		v, err := Driver.Variant(name)
		if err != nil {
			t.Fatal(err)
		}
		args := command(brokers.Launch{Variant: v, Dir: "/d", Host: "127.0.0.1", Port: 7}).Args
		if got := strings.Join(args, " "); !strings.HasSuffix(got, want) || !strings.Contains(got, "--bind 127.0.0.1 --port 7 --dir /d") {
			t.Errorf("%s is started as %s", name, got)
		}
		if survives := v.Promised(brokers.SurvivesKill); survives != (v.Durability != brokers.Memory) {
			t.Errorf("%s is of class %s and promises to survive: %v", name, v.Durability, survives)
		}
		if slices.Contains(args, "--daemonize") && args[slices.Index(args, "--daemonize")+1] != "no" {
			t.Errorf("%s leaves the foreground", name)
		}
	}
}

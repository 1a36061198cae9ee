package redis

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"taskbench/brokers"
)

const (
	ofTwo = "# Replication\r\nrole:master\r\nconnected_slaves:2\r\nslave0:ip=b-2,port=6379,state=online,offset=9,lag=0\r\nslave1:ip=b-3,port=6379,state=online,offset=9,lag=1\r\nslave_read_only:1\r\n"
	sees  = "name\ntaskbench\nip\nb-1\nport\n6379\nflags\nmaster\nnum-slaves\n2\nnum-other-sentinels\n2\nquorum\n2\n"
)

func TestStanding(t *testing.T) {
	all := []string{"b-1", "b-2", "b-3"}
	for name, c := range map[string]struct {
		queue, info string
		views       map[string]string // by host, where it is not what the others see
		want        brokers.Standing
	}{
		"all":                  {"q", ofTwo, nil, brokers.Standing{Leader: "b-1", Replicas: all}},
		"all are up":           {"", ofTwo, nil, brokers.Standing{Up: all}},
		"one lags":             {"q", strings.Replace(ofTwo, "lag=1", "lag=3", 1), nil, brokers.Standing{Leader: "b-1", Replicas: all[:2]}},
		"one is being filled":  {"q", strings.Replace(ofTwo, "b-2,port=6379,state=online", "b-2,port=6379,state=send_bulk", 1), nil, brokers.Standing{Leader: "b-1", Replicas: []string{"b-1", "b-3"}}},
		"demoted":              {"q", "role:slave\r\n", nil, brokers.Standing{}},
		"gone":                 {"q", "", nil, brokers.Standing{}},
		"a sentinel is alone":  {"", ofTwo, map[string]string{"b-2": strings.Replace(sees, "sentinels\n2", "sentinels\n0", 1)}, brokers.Standing{}},
		"a replica is unknown": {"", ofTwo, map[string]string{"b-3": strings.Replace(sees, "slaves\n2", "slaves\n1", 1)}, brokers.Standing{}},
		"seen as down":         {"", ofTwo, map[string]string{"b-1": strings.Replace(sees, "flags\nmaster", "flags\ns_down,master", 1)}, brokers.Standing{}},
		"another is followed":  {"", ofTwo, map[string]string{"b-1": strings.Replace(sees, "ip\nb-1", "ip\nb-2", 1)}, brokers.Standing{}},
	} {
		run := func(_ context.Context, args ...string) (string, error) {
			line := strings.Join(args, " ")
			if strings.HasSuffix(line, "-h b-1 info replication") {
				if c.info == "" {
					return "", errors.New("exit status 124")
				}
				return c.info, nil
			}
			for host, view := range c.views {
				if strings.Contains(line, "-h "+host+" ") {
					return view, nil
				}
			}
			return sees, nil
		}
		if got, err := standing(t.Context(), brokers.Console{Run: run}, c.queue); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, c.want)
		}
	}
	for _, says := range []string{"", "Could not connect to Redis", "ip\n"} {
		run := func(context.Context, ...string) (string, error) { return says, nil }
		if _, err := standing(t.Context(), brokers.Console{Run: run}, "q"); err == nil {
			t.Errorf("%q was understood", says)
		}
	}
}

// All that the variant says of its settings is what its members are started with, and the first one leads to begin with.
func TestMembersAreLaunched(t *testing.T) {
	v, err := Driver.Variant("sentinel")
	if err != nil {
		t.Fatal(err)
	}
	launch := func(name string) brokers.Command {
		return command(brokers.Launch{Variant: v, Dir: "/d", Host: "0.0.0.0", Port: 7, Name: name, Peers: []string{"b-1", "b-2"}, Container: true})
	}
	first, second := launch("b-1"), launch("b-2")
	for name, value := range v.Settings {
		if value == "" {
			value = `""`
		}
		where, line := "redis.conf", name+" "+value+"\n"
		switch word, isSentinel := strings.CutPrefix(name, "sentinel "); {
		case name == "wait": // the client's
			continue
		case strings.HasPrefix(word, "debug "):
			if !slices.Contains(first.Env, "INFO_PERIOD="+value) {
				t.Errorf("started with %q, want %s %s", first.Env, name, value)
			}
			continue
		case word == "quorum":
			where, line = "sentinel.conf", "sentinel monitor taskbench b-1 7 "+value+"\n"
		case isSentinel:
			where, line = "sentinel.conf", "sentinel "+word+" taskbench "+value+"\n"
		}
		for _, c := range []brokers.Command{first, second} {
			if !strings.Contains(c.Files[where], line) {
				t.Errorf("%s has no line %q:\n%s", where, line, c.Files[where])
			}
		}
	}
	if !slices.Contains(second.Env, "MEMBER=b-2") || !slices.Contains(second.Env, "PEERS=b-1 b-2") {
		t.Errorf("the second is started with %q", second.Env)
	}
}

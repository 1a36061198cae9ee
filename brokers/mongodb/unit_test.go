package mongodb

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"taskbench/brokers"
)

// The names of documents are the order of messages, also of many within a moment, and of several brokers one after the other.
func TestNamesAreOrdered(t *testing.T) {
	var last bson.ObjectID
	for range 3 {
		g := newIDs()
		for range 1000 {
			id := g.next()
			if bytes.Compare(last[:], id[:]) >= 0 {
				t.Fatalf("%s does not come after %s", id.Hex(), last.Hex())
			}
			last = id
		}
		<-time.After(time.Millisecond) // the last broker's may be ahead of the clock
	}
	if off := time.Since(last.Timestamp()); off < 0 || off > time.Minute {
		t.Errorf("the library reads the time of a name as %v ago", off)
	}
}

func TestNamesOfWhatIsDue(t *testing.T) {
	g := newIDs()
	at := time.Date(2026, 1, 2, 3, 4, 5, 500e6, time.UTC)
	earlier, one, other := g.at(at.Add(-time.Millisecond)), g.at(at), g.at(at)
	if bytes.Compare(earlier[:], one[:]) >= 0 || one == other || !one.Timestamp().Equal(at.Truncate(time.Second)) {
		t.Errorf("%s, %s, %s", earlier.Hex(), one.Hex(), other.Hex())
	}
	for at, want := range map[time.Time]uint64{
		time.Unix(-1, 0): 0, time.Unix(0, 0): 0, time.Unix(1, 5e8): 3 << 31, time.Unix(1<<32, 0): 1<<64 - 1,
	} {
		if got := moment(at); got != want {
			t.Errorf("%v is moment %d, want %d", at, got, want)
		}
	}
}

// What a server says of a batch is said of each message alone, and what it does not say is not known.
func TestOutcomes(t *testing.T) {
	mixed := driver.BulkWriteException{WriteErrors: []driver.BulkWriteError{{WriteError: driver.WriteError{Index: 1, Code: 121}}}}
	weak := driver.BulkWriteException{WriteConcernError: &driver.WriteConcernError{Code: 64}}
	full := driver.CommandError{Code: 14031, Message: "no space"}
	stopped := driver.CommandError{Code: 91, Message: "shutdown in progress"}
	cut := driver.CommandError{Labels: []string{"NetworkError"}}
	for _, c := range []struct {
		what string
		err  error
		n    int
		want string // s: stored, r: refused, ?: nobody knows
	}{
		{"none", nil, 2, "ss"}, {"one of three", mixed, 3, "srs"}, {"not durable", weak, 2, "??"},
		{"refused alone", full, 1, "r"}, {"refused together", full, 2, "??"}, {"interrupted", stopped, 1, "?"},
		{"cut", cut, 1, "?"}, {"timeout", context.DeadlineExceeded, 1, "?"}, {"unsent", brokers.Refuse(errors.New("away")), 2, "rr"},
	} {
		got := ""
		for _, err := range outcomes(c.err, c.n) {
			switch {
			case err == nil:
				got += "s"
			case brokers.Definite(err):
				got += "r"
			default:
				got += "?"
			}
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
	}
}

func TestWriteConcerns(t *testing.T) {
	for name, want := range map[string]*writeconcern.WriteConcern{
		"lease": {W: "majority", Journal: pointer(true)}, "lease-w1": {W: 1, Journal: pointer(false)}, "kombu": nil,
	} {
		v, err := Driver.Variant(name)
		if err != nil {
			t.Fatal(err)
		}
		set, err := configure("mongodb://user:secret@h:1/", v, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := set.options.WriteConcern
		if (got == nil) != (want == nil) || got != nil && (got.W != want.W || *got.Journal != *want.Journal) {
			t.Errorf("%s writes with %+v, want %+v", name, got, want)
		}
		if *set.options.RetryWrites || *set.options.RetryReads {
			t.Errorf("%s has the library try again", name)
		}
		if strings.Contains(set.addr, "secret") {
			t.Errorf("the address %s shows the password", set.addr)
		}
	}
}

func pointer(b bool) *bool { return &b }

func TestDatabases(t *testing.T) {
	for _, c := range []struct{ variant, url, want string }{
		{"lease", "mongodb://h:1", "taskbench"}, {"lease", "mongodb://h:1/", "taskbench"}, {"lease", "mongodb://h:1/mine?appName=x", "mine"},
		{"kombu", "mongodb://h:1/", "kombu_default"}, {"kombu", "mongodb://h:1/mine", "mine"},
	} {
		v, err := Driver.Variant(c.variant)
		if err != nil {
			t.Fatal(err)
		}
		set, err := configure(c.url, v, nil)
		if err != nil || set.database != c.want {
			t.Errorf("%s of %s: database %q, %v, want %q", c.variant, c.url, set.database, err, c.want)
		}
	}
}

// Only what keeps a message until it is acknowledged may promise that it comes back.
func TestPromises(t *testing.T) {
	for _, v := range Driver.Variants {
		kept := v.Name != "kombu"
		for _, p := range []brokers.Promise{brokers.Redelivers, brokers.Timeout, brokers.DeadLetters, brokers.Delays} {
			if v.Promised(p) != kept {
				t.Errorf("%s promises %s: %v", v.Name, p, v.Promised(p))
			}
		}
		if v.Promised(brokers.SurvivesKill) != (v.Durability != brokers.Memory) {
			t.Errorf("%s is of class %s and promises to survive: %v", v.Name, v.Durability, v.Promised(brokers.SurvivesKill))
		}
	}
}

func TestCommandIsTheSameAgain(t *testing.T) {
	for _, v := range Driver.Variants {
		l := brokers.Launch{Variant: v, Dir: "/d", Host: "127.0.0.1", Port: 7001}
		if v.Members > 1 {
			l.Name, l.Peers = "b-1", []string{"b-1", "b-2", "b-3"}
		}
		first, again := command(l), command(l)
		if !reflect.DeepEqual(first, again) {
			t.Errorf("%s: %q and then %q", v.Name, first, again)
		}
		want := []string{"mongodb", "127.0.0.1", "7001", "/d", v.Settings["synchronous"]}
		if v.Members <= 1 && !slices.Equal(first.Args[3:], want) {
			t.Errorf("%s: %q, want %q at the end", v.Name, first.Args, want)
		}
	}
}

// An idle consumer's questions are few, and a busy one's close together.
func TestLooks(t *testing.T) {
	last := time.Duration(0)
	for _, since := range []time.Duration{0, trickle, idleAfter, time.Hour} {
		if look := longestLook(since); look < last {
			t.Errorf("after %v it waits %v, which is less than %v", since, look, last)
		} else {
			last = look
		}
	}
	if perSecond := float64(time.Second)/float64(idleLook) + 3*float64(time.Second)/float64(tendEvery); perSecond >= 10 {
		t.Errorf("an idle consumer asks %.1f questions a second", perSecond)
	}
}

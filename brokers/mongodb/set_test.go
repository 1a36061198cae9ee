package mongodb

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"

	"taskbench/brokers"
	"taskbench/brokers/servertest"
)

// A set shows clients what a replica set of three members shows them: each member says who they all are and who is the
// primary, and that one alone takes commands. Behind it is one FerretDB, so that every member has what a majority has;
// what replicas do among themselves is not tried here.
type set struct {
	store   string   // where FerretDB listens
	members []string // their addresses
	called  []string // what they call themselves

	mu      sync.Mutex
	primary int // -1 while nobody is
	term    uint32
	down    map[int]bool
	conns   map[net.Conn]int // with whose they are
}

const setName = "rs0"

func newSet(t *testing.T, store string) *set {
	t.Helper()
	s := &set{store: strings.Trim(strings.TrimPrefix(store, "mongodb://"), "/"), term: 1, down: map[int]bool{}, conns: map[net.Conn]int{}}
	listed := make(chan struct{})
	for i := range 3 {
		s.members = append(s.members, servertest.Serve(t, func(c net.Conn) {
			<-listed
			s.serve(c, i)
		}))
	}
	s.called = s.members
	close(listed)
	return s
}

// url names the members of these numbers, and a database of the test's own.
func (s *set) url(t *testing.T, options string, of ...int) string {
	hosts := make([]string, len(of))
	for i, member := range of {
		hosts[i] = s.members[member]
	}
	return "mongodb://" + strings.Join(hosts, ",") + "/" + databaseOf(t) + "?" + options
}

// admit is false for a member that is down.
func (s *set) admit(c net.Conn, member int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.down[member] {
		s.conns[c] = member
	}
	return !s.down[member]
}

func (s *set) leave(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

func (s *set) leads(member int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.primary == member
}

// elect makes a member the primary, or nobody. Connections stay.
func (s *set) elect(member int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.primary = member
	s.term++
}

// kill has a member hang up on everybody, for good. If it was the primary, nobody is.
func (s *set) kill(member int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down[member] = true
	if s.primary == member {
		s.primary = -1
	}
	for c, of := range s.conns {
		if of == member {
			_ = c.Close()
		}
	}
}

func (s *set) serve(c net.Conn, member int) {
	if !s.admit(c, member) {
		return
	}
	defer s.leave(c)
	store, err := net.Dial("tcp", s.store)
	if err != nil {
		return
	}
	defer func() { _ = store.Close() }()
	for {
		asked, err := readRequest(c)
		if err != nil {
			return
		}
		switch name := asked.command(); {
		case name == "", name == "hello", name == "isMaster", name == "ismaster":
			err = asked.answer(c, s.hello(member))
		case name == "buildInfo" || s.leads(member):
			err = pass(c, store, asked)
		case name == "find" || name == "aggregate":
			err = asked.answer(c, refusal(13435, "NotPrimaryNoSecondaryOk"))
		default:
			err = asked.answer(c, refusal(10107, "NotWritablePrimary"))
		}
		if err != nil {
			return
		}
	}
}

// pass asks the store, and hands on what it says.
func pass(c, store net.Conn, asked request) error {
	if _, err := store.Write(asked); err != nil {
		return err
	}
	said, err := readRequest(store)
	if err == nil {
		_, err = c.Write(said)
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}

func refusal(code int32, name string) bson.D {
	return bson.D{{Key: "ok", Value: 0}, {Key: "errmsg", Value: "as it is"}, {Key: "code", Value: code}, {Key: "codeName", Value: name}}
}

// hello is what a member says of itself and of the others, by the fields of MongoDB's command of that name.
func (s *set) hello(member int) bson.D {
	s.mu.Lock()
	defer s.mu.Unlock()
	said := bson.D{
		{Key: "ok", Value: 1}, {Key: "setName", Value: setName}, {Key: "setVersion", Value: 1}, {Key: "hosts", Value: s.called},
		{Key: "me", Value: s.called[member]}, {Key: "isWritablePrimary", Value: s.primary == member}, {Key: "ismaster", Value: s.primary == member},
		{Key: "secondary", Value: s.primary != member}, {Key: "maxBsonObjectSize", Value: 16 << 20}, {Key: "maxMessageSizeBytes", Value: 48_000_000},
		{Key: "maxWriteBatchSize", Value: 1000}, {Key: "minWireVersion", Value: 0}, {Key: "maxWireVersion", Value: 21},
	}
	if s.primary >= 0 {
		said = append(said, bson.E{Key: "primary", Value: s.called[s.primary]})
	}
	if s.primary == member {
		said = append(said, bson.E{Key: "electionId", Value: bson.NewObjectIDFromTimestamp(time.Unix(int64(s.term), 0))})
	}
	return said
}

// Whoever names the set goes on with its next primary, however the last one went: what was published before is there, what
// was held comes again when its lease ends, and the consumer is told that it has to start again. One replica is dead by then.
func testFailover(t *testing.T, at string) {
	byName := func(t *testing.T, s *set) string {
		return s.url(t, "replicaSet="+setName, 2, 0) // the one between is found by way of them
	}
	byList := func(t *testing.T, s *set) string { // as a lab has it, whose clients do not know the members' names
		s.called = []string{"member-1:27017", "Member-2:27017", "member-3:27017"}
		return brokers.JoinURLs([]string{s.url(t, "", 0), s.url(t, "", 1), s.url(t, "", 2)})
	}
	for name, c := range map[string]struct {
		url func(t *testing.T, s *set) string
		end func(s *set)
	}{
		"primary dies":           {byName, func(s *set) { s.kill(0) }},
		"primary steps down":     {byName, func(s *set) { s.elect(-1) }},
		"primary of a list dies": {byList, func(s *set) { s.kill(0) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSet(t, at)
			b := openAs(t, c.url(t, s), "lease")
			const before, all = 10, 20
			publish(t, b, before)
			consumer := consume(t, b, 4)
			servertest.Next(t, consumer, 10*time.Second) // and is held
			s.kill(2)
			if err := servertest.Next(t, consumer, 10*time.Second).Nack(t.Context(), true); err != nil {
				t.Errorf("without a replica: %v", err)
			}

			c.end(s)
			if err := b.Publish(t.Context(), letter(before)); err == nil {
				t.Error("a publish succeeds where nobody leads")
			}
			for range consumer.Deliveries() { // what is on its way, and then the end
			}
			if consumer.Err() == nil {
				t.Error("the consumer's end has no reason")
			}
			s.elect(1)
			for i := before; i < all; i++ {
				if err := servertest.Until(t.Context(), 20*time.Second, func() error { return b.Publish(t.Context(), letter(i)) }); err != nil {
					t.Fatal(err)
				}
			}
			drain(t, b, all)
		})
	}
}

// drain consumes until so many different messages have been acknowledged, as a worker does: again, where a consumer ends.
func drain(t *testing.T, b brokers.Broker, all int) {
	t.Helper()
	seen := map[string]bool{}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for len(seen) < all {
		c, err := b.Consume(ctx, []string{"q"}, 4)
		for err == nil && len(seen) < all {
			d, open := <-c.Deliveries()
			if !open {
				err = c.Err()
			} else if d.Ack(ctx) == nil {
				seen[d.Message().CorrelationID] = true
			}
		}
		if ctx.Err() != nil {
			t.Fatalf("%d of %d messages came: %v", len(seen), all, err)
		}
	}
}

// A member that is no primary says so, and what to do about it. A run stays with the server that it was given.
func testMemberAlone(t *testing.T, at string) {
	s := newSet(t, at)
	for member, want := range []string{"", "name the whole replica set"} {
		b := openAs(t, Driver.Server.Stay(s.url(t, "", member)), "lease")
		err := b.Publish(t.Context(), letter(0))
		if want == "" && err != nil || want != "" && (!brokers.Definite(err) || !strings.Contains(err.Error(), want)) {
			t.Errorf("member %d: %v", member, err)
		}
	}
}

// That a server is gone which was asked nothing, nobody is told; nor is it kept from anybody that the one is gone which was asked last.
func TestOnlyTheServerThatIsAskedIsMissed(t *testing.T) {
	l := &link{failed: map[int]func(error){}}
	told := 0
	l.watch(func(error) { told++ })
	for i, c := range []struct {
		kind, address string
		want          int
	}{
		{event.ConnectionPoolCleared, "a", 1}, // before anything was asked
		{event.ConnectionCheckedOut, "a", 1}, {event.ConnectionPoolCleared, "b", 1}, {event.ConnectionPoolCleared, "a", 2},
		{event.ConnectionCheckedOut, "b", 2}, {event.ConnectionPoolCleared, "a", 2}, {event.ConnectionPoolCleared, "b", 3},
	} {
		l.hear(&event.PoolEvent{Type: c.kind, Address: c.address})
		if told != c.want {
			t.Errorf("after event %d, %s of %s: told %d times, want %d", i, c.kind, c.address, told, c.want)
		}
	}
}

// A member that is asked how the set stands tells what it sees.
func TestStanding(t *testing.T) {
	type member struct {
		name   string
		state  int
		health float64
	}
	all := []string{"b-1", "b-2", "b-3"}
	for name, c := range map[string]struct {
		queue   string
		members []member
		want    brokers.Standing
	}{
		"all":         {"q", []member{{"b-2:1", primary, 1}, {"b-1:1", secondary, 1}, {"b-3:1", secondary, 1}}, brokers.Standing{Leader: "b-2", Replicas: all}},
		"all are up":  {"", []member{{"b-2:1", primary, 1}, {"b-1:1", secondary, 1}, {"b-3:1", secondary, 1}}, brokers.Standing{Up: all}},
		"one is down": {"q", []member{{"b-2:1", primary, 1}, {"b-1:1", 8, 0}, {"b-3:1", secondary, 1}}, brokers.Standing{Leader: "b-2", Replicas: all[1:]}},
		"one comes":   {"", []member{{"b-2:1", primary, 1}, {"b-1:1", 5, 1}, {"b-3:1", secondary, 1}}, brokers.Standing{Up: all[1:]}},
		"out of touch": {"q", []member{{"b-2:1", primary, 0}, {"b-1:1", secondary, 1}, {"b-3:1", secondary, 1}},
			brokers.Standing{Replicas: []string{"b-1", "b-3"}}},
		"an election": {"", []member{{"b-2:1", secondary, 1}, {"b-1:1", secondary, 1}, {"b-3:1", secondary, 1}}, brokers.Standing{}},
		"no set yet":  {"", nil, brokers.Standing{}},
	} {
		t.Run(name, func(t *testing.T) {
			said := bson.D{{Key: "ok", Value: 1}}
			var members bson.A
			for _, m := range c.members {
				members = append(members, bson.D{{Key: "name", Value: m.name}, {Key: "state", Value: m.state}, {Key: "health", Value: m.health}})
			}
			said = append(said, bson.E{Key: "members", Value: members})
			if members == nil {
				said = bson.D{{Key: "ok", Value: 0}, {Key: "code", Value: 94}, {Key: "codeName", Value: "NotYetInitialized"}, {Key: "errmsg", Value: "no replset config has been received"}}
			}
			at := "mongodb://" + refuser(t, "replSetGetStatus", said) + "/"
			got, err := Driver.Server.Cluster.Standing(t.Context(), brokers.Console{URL: at}, c.queue)
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("%+v, %v; want %+v", got, err, c.want)
			}
		})
	}
	if _, err := standing(t.Context(), brokers.Console{URL: "mongodb://127.0.0.1:1/"}, "q"); err == nil {
		t.Error("nobody was asked, and there is an answer")
	}
}

// The first member makes the set, of all of them, when they are there, and no other one does.
func TestMembersOfALab(t *testing.T) {
	v, err := Driver.Variant("set")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	for name, script := range map[string]string{ // in place of MongoDB's: the shell succeeds the second time
		"mongod":  `echo "mongod $*" >> "$LOG"; until [ -e "$LOG.made" ] || [ "$MEMBER" != b-1 ]; do sleep 0.1; done`,
		"mongosh": `echo "mongosh $*" >> "$LOG"; [ -e "$LOG.tried" ] && exec touch "$LOG.made"; touch "$LOG.tried"; exit 1`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, of := range []string{"b-1", "b-2"} {
		c := Driver.Server.Command(brokers.Launch{Variant: v, Dir: "/data/db", Host: "0.0.0.0", Port: 27017, Container: true, Name: of, Peers: []string{"b-1", "b-2", "b-3"}})
		cmd := exec.CommandContext(t.Context(), c.Args[0], c.Args[1:]...)
		cmd.Env = append(os.Environ(), append(c.Env, "LOG="+log, "PATH="+dir+":"+os.Getenv("PATH"))...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	said, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	const (
		server = "mongod --bind_ip 0.0.0.0 --port 27017 --dbpath /data/db --nounixsocket --quiet --wiredTigerCacheSizeGB 0.25 --replSet taskbench\n"
		made   = "rs.initiate({_id: 'taskbench', members: [{_id: 0, host: 'b-1:27017'}, {_id: 1, host: 'b-2:27017'}, {_id: 2, host: 'b-3:27017'}, ], " +
			"settings: {electionTimeoutMillis: 3000, heartbeatIntervalMillis: 1000}})"
	)
	if text := string(said); strings.Count(text, server) != 2 || strings.Count(text, made) != 2 || strings.Count(text, "mongosh --quiet --port 27017") != 2 {
		t.Errorf("it was called so:\n%s", text)
	}
}

package step

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"taskbench/brokers"
)

// A said is what one side says at once; a talk is all that is said on a connection, in its order.
type said struct {
	from Side
	data []byte
}

type talk []said

func (t *talk) client(parts ...[]byte) { *t = append(*t, said{Client, slices.Concat(parts...)}) }
func (t *talk) server(parts ...[]byte) { *t = append(*t, said{Server, slices.Concat(parts...)}) }

// follow has a parser read a talk in pieces of the lengths that cut gives, and lists the steps with the frame's place in
// what its side has said. It returns what of each side was no whole frame.
func follow(p Parser, t talk, cut func(most int) int) (events []string, rest [2]string, err error) {
	var at [2]int
	var tail [2][]byte
	for _, s := range t {
		for data := s.data; len(data) > 0; {
			n := cut(len(data))
			tail[s.from] = append(tail[s.from], data[:n]...)
			data = data[n:]
			for len(tail[s.from]) > 0 {
				n, found, err := p.Next(s.from, tail[s.from])
				if err != nil {
					return events, rest, err
				}
				if n == 0 {
					break
				}
				for _, e := range found {
					where := "before"
					if e.After {
						where = "after"
					}
					events = append(events, fmt.Sprintf("%s %d %s %d..%d", e.Step, e.Count, where, at[s.from], at[s.from]+n))
				}
				at[s.from] += n
				tail[s.from] = tail[s.from][n:]
			}
		}
	}
	return events, [2]string{string(tail[Client]), string(tail[Server])}, nil
}

func whole(most int) int { return most }

// A sample is a talk in one protocol, and the steps that are in it.
type sample struct {
	wire brokers.Wire
	talk talk
	want string
}

var samples = map[string]sample{
	"amqp": amqpSample(), "beanstalk": beanstalkSample(), "memory": memorySample(), "mongodb": mongoSample(), "resp": respSample(), "postgres": postgresSample(),
}

func TestEveryProtocolHasASample(t *testing.T) {
	for protocol := range parsers {
		if s, ok := samples[string(protocol)]; !ok || s.wire.Protocol != protocol {
			t.Errorf("no sample of %s", protocol)
		}
	}
}

func TestStepsOfTheSamples(t *testing.T) {
	for name, s := range samples {
		t.Run(name, func(t *testing.T) {
			events, rest, err := follow(For(s.wire), s.talk, whole)
			if err != nil || rest != [2]string{} {
				t.Errorf("left over %q, %v", rest, err)
			}
			for i, e := range events { // a place is checked by what it is in pieces
				events[i] = e[:strings.LastIndexByte(e, ' ')]
			}
			if got := strings.Join(events, "\n"); got != strings.TrimSpace(s.want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, s.want)
			}
		})
	}
}

// A delivery has been passed on with the last of its content, in however many frames that comes.
func TestADeliveryEndsWithItsContent(t *testing.T) {
	s := samples["amqp"]
	var server string
	for _, said := range s.talk {
		if said.from == Server {
			server += string(said.data)
		}
	}
	events, _, _ := follow(For(s.wire), s.talk, whole)
	bodies := []string{"one", "pieces", "", "five"}
	for _, e := range events {
		var count, from, to int
		if n, _ := fmt.Sscanf(e, "deliver %d after %d..%d", &count, &from, &to); n != 3 {
			continue
		}
		if !strings.HasSuffix(server[:to], bodies[0]+"\xCE") {
			t.Errorf("%s ends with %q, not %q", e, server[max(0, to-9):to], bodies[0])
		}
		bodies = bodies[1:]
	}
	if len(bodies) > 0 {
		t.Errorf("not delivered: %q", bodies)
	}
}

// However the bytes come, the steps are the same and in the same places.
func TestPiecesChangeNothing(t *testing.T) {
	for name, s := range samples {
		want, _, _ := follow(For(s.wire), s.talk, whole)
		r := rand.New(rand.NewPCG(3, 5))
		for _, cut := range []func(int) int{
			func(int) int { return 1 },
			func(most int) int { return 1 + r.IntN(most) },
			func(most int) int { return 1 + r.IntN(min(most, 7)) },
		} {
			if got, rest, err := follow(For(s.wire), s.talk, cut); err != nil || rest != [2]string{} || !slices.Equal(got, want) {
				t.Errorf("%s: got %q, left over %q, %v; want %q", name, got, rest, err, want)
			}
		}
	}
}

// What is no protocol of ours, or encrypted, is said to be that by every parser, or has no steps; none of them ends the program.
func TestStrangersAreNotUnderstood(t *testing.T) {
	tls := []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and a client's hello")
	for name, s := range samples {
		if name == "beanstalk" {
			continue // a line is a line
		}
		if _, _, err := follow(For(s.wire), talk{{Client, tls}}, whole); err == nil {
			t.Errorf("%s understands TLS", name)
		}
		for other, o := range samples {
			events, _, err := follow(For(s.wire), o.talk, whole)
			if other != name && (err == nil || len(events) > 0) {
				t.Errorf("%s finds %q in %s, %v", name, events, other, err)
			}
		}
	}
}

func TestUnfit(t *testing.T) {
	for _, i := range All() {
		if why := Unfit(brokers.Wire{}, i.Step); why == "" {
			t.Errorf("an unknown wire comes to step %s", i.Step)
		}
		if why := Unfit(brokers.Wire{Protocol: brokers.AMQP}, i.Step); (why == "") == (i.Step == Result) {
			t.Errorf("step %s of AMQP: %q", i.Step, why)
		}
		replying := brokers.Wire{Protocol: brokers.AMQP, Acts: map[string]brokers.Act{"replies": {Does: brokers.Stores}}}
		if why := Unfit(replying, i.Step); why != "" {
			t.Errorf("step %s of AMQP with replies: %q", i.Step, why)
		}
	}
	once := brokers.Wire{Protocol: brokers.MongoDB, Acts: map[string]brokers.Act{"delete messages": {Does: brokers.Claims}}}
	for s, fits := range map[Step]bool{Claim: true, Deliver: true, Ack: false, Publish: false} {
		if why := Unfit(once, s); (why == "") != fits {
			t.Errorf("step %s of a wire that claims and no more: %q", s, why)
		}
	}
	if For(brokers.Wire{}) != nil {
		t.Error("somebody understands a wire that says nothing of itself")
	}
}

// Each parser reads anything, in one piece and in pieces: neither what it finds nor what it makes of it may differ. The
// client's bytes come first, as a question does.
func FuzzAMQP(f *testing.F)      { fuzz(f, "amqp") }
func FuzzBeanstalk(f *testing.F) { fuzz(f, "beanstalk") }
func FuzzMemory(f *testing.F)    { fuzz(f, "memory") }
func FuzzMongoDB(f *testing.F)   { fuzz(f, "mongodb") }
func FuzzRESP(f *testing.F)      { fuzz(f, "resp") }
func FuzzPostgres(f *testing.F)  { fuzz(f, "postgres") }

func fuzz(f *testing.F, name string) {
	s := samples[name]
	var of [2][]byte
	for _, said := range s.talk {
		of[said.from] = append(of[said.from], said.data...)
	}
	f.Add(of[Client], of[Server], uint64(1))
	f.Fuzz(func(t *testing.T, client, server []byte, seed uint64) {
		said := talk{{Client, client}, {Server, server}}
		want, left, wrong := follow(For(s.wire), said, whole)
		r := rand.New(rand.NewPCG(seed, 1))
		got, rest, err := follow(For(s.wire), said, func(most int) int { return 1 + r.IntN(most) })
		if !slices.Equal(got, want) || rest != left || fmt.Sprint(err) != fmt.Sprint(wrong) {
			t.Errorf("in pieces %q, left %q, %v; whole %q, left %q, %v", got, rest, err, want, left, wrong)
		}
	})
}

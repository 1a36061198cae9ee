package beanstalkd_test

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	beanstalk "github.com/beanstalkd/go-beanstalk"

	"taskbench/brokers"
	"taskbench/brokers/beanstalkd"
	"taskbench/brokers/servertest"
)

// soon is how long something that must happen may take.
const soon = 20 * time.Second

// launch starts a server, a broker of ours on it, and a client of somebody else's that looks behind its back.
func launch(t *testing.T, parameters string, settings ...string) (brokers.Broker, *beanstalk.Conn, *servertest.Server) {
	t.Helper()
	s := servertest.Launch(t, beanstalkd.Driver, settings...)
	return open(t, s.URL+parameters), watcher(t, s), s
}

func open(t *testing.T, url string) brokers.Broker {
	t.Helper()
	b, err := beanstalkd.Driver.Open(t.Context(), url, beanstalkd.Driver.Variants[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func watcher(t *testing.T, s *servertest.Server) *beanstalk.Conn {
	t.Helper()
	c, err := beanstalk.Dial("tcp", strings.TrimPrefix(s.URL, "beanstalk://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func consume(t *testing.T, b brokers.Broker, queue string, prefetch int) brokers.Consumer {
	t.Helper()
	c, err := b.Consume(t.Context(), []string{queue}, prefetch)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func next(t *testing.T, c brokers.Consumer) brokers.Delivery {
	t.Helper()
	return servertest.Next(t, c, soon)
}

func publish(t *testing.T, b brokers.Broker, ms ...brokers.Message) {
	t.Helper()
	for _, m := range ms {
		if err := b.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
}

// eventually waits until f is true.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	limit, again := time.After(soon), time.NewTicker(10*time.Millisecond)
	defer again.Stop()
	for !f() {
		select {
		case <-again.C:
		case <-limit:
			t.Fatalf("not within %v: %s", soon, what)
		}
	}
}

func stats(t *testing.T, c *beanstalk.Conn) map[string]string {
	t.Helper()
	got, err := c.Stats()
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// operations are the commands that the server has carried out.
func operations(t *testing.T, c *beanstalk.Conn) (n int) {
	t.Helper()
	for name, value := range stats(t, c) {
		if one, err := strconv.Atoi(value); err == nil && strings.HasPrefix(name, "cmd-") && name != "cmd-stats" {
			n += one
		}
	}
	return n
}

// What we write is what the protocol has for it, and not only what we read again.
func TestJobsAreReadableByOthers(t *testing.T) {
	servertest.Needed(t)
	b, c, _ := launch(t, "?ttr=7s")
	publish(t, b, brokers.Message{Queue: "my queue", Priority: 3, CorrelationID: "c5", Body: []byte("text"), Headers: map[string]any{"task": "t"}})
	id, job, err := beanstalk.NewTube(c, "my(20)queue").PeekReady()
	if err != nil {
		t.Fatal(err)
	}
	var read struct {
		Headers    map[string]string `json:"headers"`
		Properties map[string]any    `json:"properties"`
		Body       []byte            `json:"body"`
	}
	if err := json.Unmarshal(job, &read); err != nil || read.Headers["task"] != "t" || read.Properties["correlation_id"] != "c5" || string(read.Body) != "text" {
		t.Errorf("the job is %s (%v)", job, err)
	}
	if s, err := c.StatsJob(id); err != nil || s["pri"] != "3" || s["ttr"] != "7" || s["delay"] != "0" {
		t.Errorf("the job's statistics are %v, %v", s, err)
	}
}

func TestJobsOfOthersArrive(t *testing.T) {
	servertest.Needed(t)
	b, c, _ := launch(t, "")
	if _, err := beanstalk.NewTube(c, "q").Put([]byte("no envelope"), 5000, 0, time.Second); err != nil {
		t.Fatal(err)
	}
	d := next(t, consume(t, b, "q", 1))
	if m := d.Message(); string(m.Body) != "no envelope" || m.Queue != "q" || m.Priority != 255 || d.Redelivered() {
		t.Errorf("got %+v", m)
	}
	// It keeps its own time to run, of one second, while it is held, and its own priority when it goes back.
	if s, err := c.Stats(); err != nil || s["current-jobs-reserved"] != "1" {
		t.Errorf("%v, %v", s, err)
	}
	<-time.After(3 * time.Second)
	if s := stats(t, c); s["job-timeouts"] != "0" {
		t.Errorf("the time of what is held ran out: %v", s)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the job is back", func() bool { return stats(t, c)["current-jobs-ready"] == "1" })
	if id, _, err := beanstalk.NewTube(c, "q").PeekReady(); err != nil {
		t.Error(err)
	} else if s, err := c.StatsJob(id); err != nil || s["pri"] != "5000" {
		t.Errorf("%v, %v", s, err)
	}
}

// A fleet of idle workers is what most servers have to bear most of the time.
func TestIdleConsumerCostsLittle(t *testing.T) {
	servertest.Needed(t)
	b, c, _ := launch(t, "")
	consumer := consume(t, b, "q", 20)
	for range 20 { // which leaves it with as many connections as it ever has
		publish(t, b, brokers.Message{Queue: "q"})
	}
	for range 20 {
		if err := next(t, consumer).Ack(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	const length = 7 * time.Second
	before := operations(t, c)
	<-time.After(length)
	if n := operations(t, c) - before; n >= 10*int(length.Seconds()) || n == 0 {
		t.Errorf("%d commands in %v of idleness, want fewer than ten a second", n, length)
	}
}

// Each message comes at once though none is settled and all connections hold something; and there are few of those.
func TestOneAfterTheOtherWhileAllAreHeld(t *testing.T) {
	servertest.Needed(t)
	b, c, _ := launch(t, "")
	consumer := consume(t, b, "q", 30)
	var held []brokers.Delivery
	for i := range 40 {
		if len(held) == 30 {
			for _, d := range held[:10] {
				if err := d.Ack(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			held = held[10:]
		}
		publish(t, b, brokers.Message{Queue: "q", CorrelationID: strconv.Itoa(i)})
		began := time.Now()
		d := next(t, consumer)
		if d.Message().CorrelationID != strconv.Itoa(i) || time.Since(began) > 2*time.Second {
			t.Fatalf("message %d came as %s after %v", i, d.Message().CorrelationID, time.Since(began))
		}
		held = append(held, d)
	}
	if s := stats(t, c); s["current-jobs-reserved"] != "30" || s["current-connections"] != "10" {
		t.Errorf("%s jobs are reserved over %s connections, want 30 over 8, the publisher's, and this one", s["current-jobs-reserved"], s["current-connections"])
	}
}

func TestPriorityZeroIsMostUrgent(t *testing.T) {
	servertest.Needed(t)
	b, _, _ := launch(t, "")
	for _, p := range []uint8{9, 0, 5} {
		publish(t, b, brokers.Message{Queue: "q", Priority: p})
	}
	c := consume(t, b, "q", 1)
	for _, want := range []uint8{0, 5, 9} {
		d := next(t, c)
		if got := d.Message().Priority; got != want {
			t.Errorf("priority %d came, want %d", got, want)
		}
		if err := d.Ack(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatIsTooBigIsRefused(t *testing.T) {
	servertest.Needed(t)
	b, _, _ := launch(t, "", "-z", "70000")
	large := brokers.Message{Queue: "q", Body: bytes.Repeat([]byte("x"), 60000)}
	err := b.Publish(t.Context(), large)
	if !brokers.Definite(err) || !strings.Contains(err.Error(), "start beanstalkd with -z 80") {
		t.Errorf("publish of what is too big: %v", err)
	}
	small := brokers.Message{Queue: "q", Body: []byte("x")}
	errs := b.(brokers.Batcher).PublishBatch(t.Context(), []brokers.Message{small, large, small})
	if errs[0] != nil || !brokers.Definite(errs[1]) || errs[2] != nil {
		t.Errorf("a batch with one of them: %v", errs)
	}
	if ready, _, err := b.(brokers.Inspector).Depth(t.Context(), "q"); ready != 2 || err != nil {
		t.Errorf("%d messages are ready, %v, want 2", ready, err)
	}
}

func TestServersOfOursTakeLargeMessages(t *testing.T) {
	servertest.Needed(t)
	b, _, _ := launch(t, "")
	body := bytes.Repeat([]byte("0123456789abcdef"), 5<<20/16)
	publish(t, b, brokers.Message{Queue: "q", Body: body})
	if got := next(t, consume(t, b, "q", 1)).Message().Body; !bytes.Equal(got, body) {
		t.Errorf("%d bytes came back as %d other ones", len(body), len(got))
	}
}

// What is due after the protocol's longest delay of 136 years has that, and is not ready at once.
func TestDelayBeyondTheProtocol(t *testing.T) {
	servertest.Needed(t)
	b, c, _ := launch(t, "")
	if err := b.(brokers.Delayer).Delay(t.Context(), brokers.Message{Queue: "q"}, time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	id, _, err := beanstalk.NewTube(c, "q").PeekDelayed()
	if err != nil {
		t.Fatal(err)
	}
	if s, err := c.StatsJob(id); err != nil || s["delay"] != "4294967295" || s["state"] != "delayed" {
		t.Errorf("%v, %v", s, err)
	}
}

// What has so little time to run that the server warns of its end is purged like anything else.
func TestPurgeOfShortJobs(t *testing.T) {
	servertest.Needed(t)
	b, _, _ := launch(t, "?ttr=1s")
	for range 3 {
		publish(t, b, brokers.Message{Queue: "q"})
	}
	if n, err := b.(brokers.Purger).Purge(t.Context(), "q"); n != 3 || err != nil {
		t.Errorf("%d messages are purged, %v", n, err)
	}
}

// How often a link is asked whether it is alive has nothing to do with how long messages may be held.
func TestLivenessIsAskedSeldom(t *testing.T) {
	servertest.Needed(t)
	t.Parallel()
	b, c, _ := launch(t, "?ttr=1s")
	if _, err := beanstalk.NewTube(c, "q").Put([]byte("held"), 0, 0, time.Minute); err != nil {
		t.Fatal(err)
	}
	next(t, consume(t, b, "q", 1))
	const length = 4 * time.Second
	before := operations(t, c)
	<-time.After(length)
	if n := operations(t, c) - before; n > 2 || n == 0 {
		t.Errorf("%d commands in %v, in which nothing is to be done but to see that the link is alive", n, length)
	}
}

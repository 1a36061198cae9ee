package canvas

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"taskbench/brokers"
	broker "taskbench/brokers/redis"
	"taskbench/brokers/servertest"
	"taskbench/worker/message"
	"taskbench/worker/result"
	"taskbench/worker/result/redis"
)

// A crowd is workers that run at the same time, on results of a real server, and die now and then.
type crowd struct {
	f      *Follower
	claims result.Claimer // nil: bodies are run by whoever has one
	deaths func() error

	mu     sync.Mutex
	rest   sync.Cond
	queues map[string][]brokers.Message
	busy   int
	runs   map[string]int
	sent   bool // a body was
	holder int  // the last
}

const (
	bodyTakes = 50 * time.Millisecond
	claimLife = 20 * bodyTakes // nobody renews it here
)

func (c *crowd) Publish(_ context.Context, m brokers.Message) error {
	if err := c.deaths(); err != nil {
		return err
	}
	c.put(m)
	if m.Queue == "bodies" && c.first() {
		return errCrash // at the very moment at which the body will be sent again
	}
	return c.deaths()
}

// first tells whether this body is the first that was sent.
func (c *crowd) first() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := !c.sent
	c.sent = true
	return first
}

func (c *crowd) put(m brokers.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queues[m.Queue] = append(c.queues[m.Queue], m)
	c.rest.Broadcast()
}

// work takes messages of one queue until no queue has any and nobody is at work.
func (c *crowd) work(ctx context.Context, queue string) error {
	for {
		c.mu.Lock()
		for len(c.queues[queue]) == 0 {
			if c.busy == 0 && len(c.queues[brokers.DefaultQueue])+len(c.queues["bodies"]) == 0 {
				c.rest.Broadcast()
				c.mu.Unlock()
				return nil
			}
			c.rest.Wait()
		}
		m := c.queues[queue][0]
		c.queues[queue] = c.queues[queue][1:]
		c.busy++
		c.mu.Unlock()
		err := c.deliver(ctx, m)
		if errors.Is(err, errHeld) { // the worker has it wait
			<-time.After(claimLife / 10)
			c.put(m)
			err = nil
		}
		if errors.Is(err, errCrash) {
			c.put(m)
			err = nil
		}
		c.mu.Lock()
		c.busy--
		if err != nil {
			clear(c.queues) // the others need not go on
		}
		c.rest.Broadcast()
		c.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// errHeld is the answer to a copy whose task another worker has.
var errHeld = errors.New("another worker has it")

// claim claims a task as a worker does for each of its attempts.
func (c *crowd) claim(ctx context.Context, id string) (release func() error, err error) {
	c.mu.Lock()
	c.holder++
	holder := fmt.Sprint("holder-", c.holder)
	c.mu.Unlock()
	wait, err := c.claims.Claim(ctx, id, holder, claimLife)
	if err == nil && wait > 0 {
		err = errHeld
	}
	return func() error { return c.claims.Release(ctx, id, holder) }, err
}

func (c *crowd) deliver(ctx context.Context, m brokers.Message) (dead error) {
	t, err := message.Read(m)
	if err != nil {
		return err
	}
	body, err := t.Body()
	if err != nil {
		return err
	}
	once := t.Message.Headers[HeaderOnce] == true
	if once && c.claims != nil {
		release, err := c.claim(ctx, t.ID)
		if err != nil {
			return err
		}
		defer func() {
			if !errors.Is(dead, errCrash) { // the dead release nothing
				dead = errors.Join(dead, release())
			}
		}()
	}
	if done, err := c.f.Resume(ctx, &t, body); done || err != nil {
		return err
	}
	if once {
		<-time.After(bodyTakes)
		if err := c.deaths(); err != nil {
			return err
		}
	}
	v, err := lab(t.Name, body.Args)
	if err != nil {
		return err
	}
	raw, _ := json.Marshal(v)
	if _, err := c.f.Succeeded(ctx, &t, body, raw); err != nil {
		return err
	}
	r := result.Record{TaskID: t.ID, State: result.Success, Value: raw}
	if err := c.f.Results.Store(ctx, r); err != nil {
		return err
	}
	c.mu.Lock()
	c.runs[t.Name]++
	c.mu.Unlock()
	return c.f.Stored(ctx, &t, body, r)
}

// mortal dies around what a worker asks of its results.
type mortal struct {
	*redis.Backend
	deaths func() error
}

func (m mortal) Report(ctx context.Context, p result.Part) (parts []result.Part, err error) {
	if err := m.deaths(); err != nil {
		return nil, err
	}
	if parts, err = m.Backend.Report(ctx, p); err == nil {
		err = m.deaths()
	}
	return parts, err
}

func (m mortal) Done(ctx context.Context, group string) error {
	if err := m.deaths(); err != nil {
		return err
	}
	return m.Backend.Done(ctx, group)
}

// TestChordOnRedis: many members that end at the same time, workers that die anywhere, one of them as soon as it has sent
// the body, and copies of the body that several workers take at the same moment: it runs once.
func TestChordOnRedis(t *testing.T) {
	servertest.Needed(t)
	s := servertest.Launch(t, broker.Driver)
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			if got := chordOnRedis(t, s.URL, seed, true); got != 1 {
				t.Errorf("the body ran %d times", got)
			}
		})
	}
	t.Run("without claims", func(t *testing.T) {
		most := 0
		for seed := range uint64(3) {
			most = max(most, chordOnRedis(t, s.URL, seed, false))
		}
		if most < 2 {
			t.Error("the body ran once, so that the trial shows nothing: want that copies of it run at the same moment")
		}
	})
}

// chordOnRedis tells how often the body came to its end.
func chordOnRedis(t *testing.T, url string, seed uint64, claimed bool) int {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b, err := redis.Open(ctx, url, result.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	const members, workers = 300, 8
	c := &crowd{queues: map[string][]brokers.Message{}, runs: map[string]int{}}
	if claimed {
		c.claims = b
	}
	c.rest.L = &c.mu
	rng, left := rand.New(rand.NewPCG(seed, 2)), 0
	var dice sync.Mutex
	c.deaths = func() error {
		dice.Lock()
		defer dice.Unlock()
		if left == 0 || rng.IntN(8) > 0 {
			return nil
		}
		left--
		return errCrash
	}
	c.f = &Follower{Publisher: c, Results: mortal{b, c.deaths}}

	header, want := make([]Signature, members), 0
	for i := range header {
		header[i] = Sig("lab.add", i, 1)
		want += i + 1
	}
	id, _, err := c.f.Start(ctx, Chord(header, Sig("lab.xsum").Set(Options{Queue: "bodies"})))
	if err != nil {
		t.Fatal(err)
	}
	left = 100
	var all sync.WaitGroup
	for i := range workers {
		queue := brokers.DefaultQueue
		if i%2 == 0 {
			queue = "bodies"
		}
		all.Go(func() {
			if err := c.work(ctx, queue); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	v, err := Results(ctx, b, id)
	if err != nil {
		t.Fatal(err)
	}
	if string(v[0]) != fmt.Sprint(want) {
		t.Errorf("the body came to %s, want %d; members ran %d times", v, want, c.runs["lab.add"])
	}
	return c.runs["lab.xsum"]
}

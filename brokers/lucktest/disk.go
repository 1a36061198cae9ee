package lucktest

import (
	"context"
	"strconv"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/servertest"
)

// Full starts a server of the subject's variant on a disk of that size, such as "16m", fills the disk while it publishes, and
// empties it again. Whoever is refused must be given the advice, which is "" where the server dies of it. Once there is
// room, the server must take messages again, after a restart where it has died; and after one more, all that was ever
// confirmed must be there, and nothing of which it was certain that it is not.
func Full(t *testing.T, s Subject, size, advice string) {
	t.Helper()
	servertest.Needed(t)
	var at string
	server := servertest.LaunchAs(t, s.Driver, s.Variant, func(_ *brokers.Command, dir string) {
		at = dir
		servertest.Disk(t, at, size)
	})
	p := &publishing{t: t, s: s, server: server, outcomes: map[string]error{}}
	p.open()
	for range 3 {
		if err := p.publish(); err != nil {
			t.Fatalf("with room: %v", err)
		}
	}
	empty := servertest.Fill(t, at)
	err := p.publish()
	for range 10_000 { // a server may have taken its room beforehand
		if err != nil {
			break
		}
		err = p.publish()
	}
	if advice == "" {
		if err == nil || brokers.Definite(err) {
			t.Errorf("on a full disk, where the server dies: %v, want an error that is not Definite", err)
		}
	} else if err := s.judge(err, advice); err != nil {
		t.Errorf("on a full disk: %v", err)
	}
	confirmed := p.confirmed()
	for range 3 {
		_ = p.publish() // it is kept for what becomes of it
	}
	t.Logf("confirmed before: %d; then %v", confirmed, err)
	empty()
	if advice == "" {
		p.restart()
	}
	if err := servertest.Until(t.Context(), 20*time.Second, p.publish); err != nil {
		t.Fatalf("with room again: %v", err)
	}
	p.restart()
	p.look()
}

// publishing is what was published, and what became of it.
type publishing struct {
	t        *testing.T
	s        Subject
	server   *servertest.Server
	broker   brokers.Broker
	outcomes map[string]error // by correlation id
}

const fullQueue = "lucktest.full"

func (p *publishing) open() {
	p.t.Helper()
	err := servertest.Until(p.t.Context(), 20*time.Second, func() (err error) {
		p.broker, err = p.s.Driver.Open(p.t.Context(), p.server.URL, p.s.Variant)
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	b := p.broker
	p.t.Cleanup(func() { _ = b.Close() }) // its server may be gone
}

// publish publishes 64 KiB.
func (p *publishing) publish() error {
	ctx, cancel := context.WithTimeout(p.t.Context(), soon)
	defer cancel()
	id := strconv.Itoa(len(p.outcomes))
	err := p.broker.Publish(ctx, brokers.Message{Queue: fullQueue, CorrelationID: id, Body: make([]byte, 64<<10)})
	p.outcomes[id] = err
	return err
}

func (p *publishing) confirmed() (n int) {
	for _, err := range p.outcomes {
		if err == nil {
			n++
		}
	}
	return n
}

func (p *publishing) restart() {
	p.t.Helper()
	_ = p.broker.Close() // its server may be gone
	p.server.Kill()
	if err := p.server.Up(p.t.Context()); err != nil {
		p.t.Fatalf("start the server again: %v", err)
	}
	p.open()
}

// look takes all that is there, and judges it.
func (p *publishing) look() {
	p.t.Helper()
	c, err := p.broker.Consume(p.t.Context(), []string{fullQueue}, 10)
	if err != nil {
		p.t.Fatal(err)
	}
	there := map[string]bool{}
	wants := p.confirmed()
	for wants > 0 {
		d, err := next(p.t.Context(), c, 20*time.Second)
		if err != nil {
			p.t.Fatalf("%d of %d that were confirmed are lost: %v", wants, p.confirmed(), err)
		}
		id := d.Message().CorrelationID
		if p.outcomes[id] == nil && !there[id] {
			wants--
		}
		there[id] = true
		if err := d.Ack(p.t.Context()); err != nil {
			p.t.Fatal(err)
		}
	}
	for {
		d, err := next(p.t.Context(), c, time.Second)
		if err != nil {
			break
		}
		there[d.Message().CorrelationID] = true
		if err := d.Ack(p.t.Context()); err != nil {
			p.t.Fatal(err)
		}
	}
	for id, err := range p.outcomes {
		if there[id] && err != nil && brokers.Definite(err) {
			p.t.Errorf("message %s is there, of which this was certain: %v", id, err)
		}
	}
}

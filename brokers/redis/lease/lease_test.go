package lease

import (
	"context"
	"errors"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
	"taskbench/brokers/redis/link"
)

// nowhere is a layout on a server that is not there.
type nowhere struct{ returning func() }

func (nowhere) Claim(int, uint64, []string) Claim[int] {
	return Claim[int]{Cmd: goredis.NewCmd(context.Background(), "claim")}
}
func (n nowhere) Return([]Held[int], bool) []goredis.Cmder {
	n.returning()
	return nil
}
func (nowhere) Renewal(ctx context.Context) *goredis.Cmd { return goredis.NewCmd(ctx, "renew") }
func (nowhere) Restore([]string, bool)                   {}
func (nowhere) Retirement() *goredis.Cmd                 { return goredis.NewCmd(context.Background(), "retire") }

// A broker outlives its consumers, of which each that is lost may hold as many messages as it could take.
func TestLostConsumersAreForgotten(t *testing.T) {
	l, err := link.Open(t.Context(), "redis://127.0.0.1:1/0?lease=100ms", brokers.Variant{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	hs := NewHolders(l, Terms[int]{Gone: errors.New("gone"), Sweep: time.Second})
	defer l.Close(hs.Close)
	h := hs.New(nowhere{}, []string{"q"}, 1)
	if err := hs.Enter(t.Context(), h, func(context.Context) error { return nil }); err != nil {
		t.Fatal(err)
	}
	c := h.Consume(t.Context(), func() { _, _ = h.Fill() })
	for range c.Deliveries() { // until the loss is seen
		t.Error("a consumer without a server delivers")
	}
	if c.Err() == nil {
		t.Error("Err does not say that the link was lost")
	}
	left := func() int {
		hs.mu.Lock()
		defer hs.mu.Unlock()
		return len(hs.all)
	}
	for deadline := time.Now().Add(5 * time.Second); left() > 0 && time.Now().Before(deadline); <-time.After(time.Millisecond) {
	}
	if n := left(); n > 0 {
		t.Errorf("the broker still knows %d consumers", n)
	}
}

// A consumer that retires while a claim is under way, or while something is being given back, leaves behind a name that
// holds something; and the broker's end does not wait for it.
func TestNobodyIsSpentTooEarly(t *testing.T) {
	l, err := link.Open(t.Context(), "redis://127.0.0.1:1/0", brokers.Variant{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	hs := NewHolders(l, Terms[int]{})
	defer l.Close(hs.Close)
	var h *Holder[int]
	early := func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return isShut(h.Spent())
	}
	h = hs.New(nowhere{returning: func() {
		if early() {
			t.Error("it counts as spent before it has given back what it holds")
		}
	}}, []string{"q"}, 1)
	close(h.idle)
	h.claiming.Lock() // as by an acknowledgement with which a claim goes along
	go h.End([]uint64{1})
	<-h.Over()
	if early() {
		t.Error("it counts as spent before the claim has brought what it brings")
	}
	h.mu.Lock()
	h.holds[1] = Held[int]{Tag: 1}
	h.mu.Unlock()
	h.claiming.Unlock()
	select {
	case <-h.Spent():
	case <-time.After(5 * time.Second):
		t.Error("it never counts as spent")
	}
}

package feed

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"taskbench/brokers"
)

// A table has as many messages as its number says, and may be told how to fail.
type table struct {
	intake *Intake
	left   int
	asked  []int
	fail   func(ctx context.Context) error
}

func (b *table) claim(ctx context.Context, room int) (int, error) {
	b.asked = append(b.asked, room)
	if b.fail != nil {
		if err := b.fail(ctx); err != nil {
			return 0, err
		}
	}
	var got []Claimed
	for len(got) < room && b.left > 0 {
		got, b.left = append(got, Claimed{ID: int64(b.left), Queue: "q"}), b.left-1
	}
	b.intake.Hold(got, len(got) > 0)
	return len(got), nil
}

const grace = 5 * time.Second

// start runs an intake; over returns what Run did.
func (b *table) start(prefetch int, pace *Pace) (lost chan struct{}, over func() error) {
	lost = make(chan struct{})
	b.intake = NewIntake(prefetch, lost)
	ended := make(chan error, 1)
	go func() { ended <- b.intake.Run(b.claim, grace, pace) }()
	return lost, func() error { return <-ended }
}

func TestIntakeFillsTheRoomThatThereIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &table{left: 5}
		lost, over := b.start(2, nil)
		synctest.Wait()
		if got := b.intake.Held(); !slices.Equal(got, []int64{4, 5}) {
			t.Fatalf("with room for two it holds %v", got)
		}
		if b.intake.Queue(5) != "q" || b.intake.Drop(5) || len(b.intake.Take()) != 2 {
			t.Error("what is held is not accounted for")
		}
		b.intake.Poke(false)
		synctest.Wait()
		if err := b.intake.SetPrefetch(3); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if !slices.Equal(b.asked, []int{2, 1, 1}) {
			t.Errorf("it asked for %v, want what there was room for", b.asked)
		}
		if err := b.intake.SetPrefetch(-1); !brokers.Definite(err) {
			t.Errorf("a negative prefetch: %v", err)
		}
		close(lost)
		if err := over(); err != nil {
			t.Error(err)
		}
	})
}

func TestIntakeWithAPaceLooksByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &table{}
		_, over := b.start(1, NewPace())
		time.Sleep(IdleAfter)
		if b.intake.Hungry() != true || len(b.asked) < 10 {
			t.Errorf("it looked %d times", len(b.asked))
		}
		if _, spent := b.intake.End(time.Second); !spent || over() != nil {
			t.Error("it ended holding something")
		}
	})
}

// A refusal is tried again while there is grace; what nobody knows the outcome of is not.
func TestIntakeOutlastsRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := brokers.Refuse(errors.New("not now"))
		began := time.Now()
		well := &table{left: 1, fail: func(context.Context) error {
			if time.Since(began) < grace-time.Second {
				return refused
			}
			return nil
		}}
		lost, over := well.start(1, nil)
		time.Sleep(grace)
		if got := well.intake.Held(); len(got) != 1 {
			t.Errorf("after the refusals it holds %v", got)
		}
		close(lost)
		if err := over(); err != nil {
			t.Error(err)
		}
		began = time.Now()
		ill := &table{fail: func(context.Context) error { return refused }}
		if _, over = ill.start(1, nil); !errors.Is(over(), refused) || time.Since(began) < grace {
			t.Errorf("it gave up after %v", time.Since(began))
		}
		doubt := errors.New("no answer")
		unknown := &table{fail: func(context.Context) error { return doubt }}
		if _, over = unknown.start(1, nil); !errors.Is(over(), doubt) || len(unknown.asked) != 1 {
			t.Errorf("after an answer that did not come it asked %d times", len(unknown.asked))
		}
	})
}

// A claim that hangs holds up neither the end nor the loss.
func TestIntakeGivesUpAClaimThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		b := &table{fail: hang}
		_, over := b.start(1, nil)
		synctest.Wait()
		began := time.Now()
		if _, spent := b.intake.End(time.Second); !spent || time.Since(began) != time.Second {
			t.Errorf("it ended after %v", time.Since(began))
		}
		if err := over(); !errors.Is(err, context.Canceled) {
			t.Errorf("a claim of which nobody knows the outcome is told as %v", err)
		}
		b = &table{fail: hang}
		lost, over := b.start(1, nil)
		synctest.Wait()
		close(lost)
		if err := over(); !errors.Is(err, context.Canceled) {
			t.Errorf("when it was lost it said %v", err)
		}
	})
}

// What nobody has taken goes back; what is held can still be settled.
func TestIntakeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &table{left: 3}
		_, over := b.start(3, nil)
		synctest.Wait()
		b.intake.Take()
		b.left = 2
		if err := b.intake.SetPrefetch(5); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		unseen, spent := b.intake.End(time.Second)
		if !slices.Equal(unseen, []uint64{2, 1}) || spent {
			t.Errorf("unseen are %v, and nothing is held: %v", unseen, spent)
		}
		if b.intake.Drop(1) || b.intake.Drop(2) || !b.intake.Drop(3) {
			t.Error("the last message does not end it")
		}
		if err := over(); err != nil {
			t.Error(err)
		}
	})
}

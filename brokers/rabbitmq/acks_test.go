package rabbitmq

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// An ackServer checks what it is told as RabbitMQ does.
type ackServer struct {
	mu       sync.Mutex
	unacked  map[uint64]bool
	finished map[uint64]bool // by somebody who asked for it
	err      error
}

func (s *ackServer) ack(tag uint64, multiple bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.unacked[tag] {
		s.err = fmt.Errorf("tag %d is not unacked", tag)
	}
	for t := range s.unacked {
		if t == tag || multiple && t < tag {
			delete(s.unacked, t)
			if !s.finished[t] {
				s.err = fmt.Errorf("tag %d was acknowledged along with %d, and nobody had asked", t, tag)
			}
		}
	}
	return nil
}

// What is not finished is never acknowledged, in whatever order the others are, and what is finished always is.
func TestAcksTogether(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		s := &ackServer{unacked: map[uint64]bool{}, finished: map[uint64]bool{}}
		a := newAcks(s.ack)
		const tags = 300
		for tag := range uint64(tags) {
			s.unacked[tag+1] = true
		}
		kept := map[uint64]bool{}
		var hands sync.WaitGroup
		room := make(chan bool, 8)
		for _, i := range random.Perm(tags) {
			tag := uint64(i + 1)
			switch random.IntN(50) {
			case 0:
				kept[tag] = true
			case 1: // given back
				s.mu.Lock()
				delete(s.unacked, tag)
				s.mu.Unlock()
				a.settled(tag)
			default:
				room <- true
				hands.Go(func() {
					s.mu.Lock()
					s.finished[tag] = true
					s.mu.Unlock()
					if err := a.settle(tag); err != nil {
						t.Error(err)
					}
					<-room
				})
			}
		}
		hands.Wait()
		if s.err != nil || len(s.unacked) != len(kept) {
			t.Fatalf("seed %d: %v; %d are unacknowledged, want %d", seed, s.err, len(s.unacked), len(kept))
		}
		if len(a.rows) > len(kept)+1 {
			t.Errorf("seed %d: %d rows remember %d gaps", seed, len(a.rows), len(kept))
		}
	}
}

// While one acknowledgement is being written, the others gather, and go in one frame; a gap stays one.
func TestAcksGather(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := make(chan bool)
		var frames []string
		a := newAcks(func(tag uint64, multiple bool) error {
			frames = append(frames, fmt.Sprint(tag, multiple))
			<-busy
			return errors.New("said")
		})
		outcomes := make(chan error, 5)
		for _, tag := range []uint64{1, 2, 3, 4, 6} {
			go func() { outcomes <- a.settle(tag) }()
			synctest.Wait()
		}
		close(busy)
		for range 5 {
			if err := <-outcomes; err == nil || err.Error() != "said" {
				t.Errorf("%v", err)
			}
		}
		synctest.Wait()
		if got := fmt.Sprint(frames); got != "[1 false 4 true 6 false]" {
			t.Errorf("frames %s", got)
		}
	})
}

// A crowd settles 200 tags that come every 100 us, but for those in gaps, and shows the frames and how long each waited.
func crowd(t *testing.T, prefetch int, gaps []uint64, show func(frames []string, waits []time.Duration, a *acks)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var frames []string
		a := newAcks(func(tag uint64, multiple bool) error {
			frames = append(frames, fmt.Sprint(tag, multiple))
			return nil
		})
		a.limit(prefetch)
		waits := make([]time.Duration, 200)
		var hands sync.WaitGroup
		for i := range waits {
			time.Sleep(100 * time.Microsecond)
			tag := uint64(i + 1)
			if slices.Contains(gaps, tag) {
				continue
			}
			hands.Go(func() {
				start := time.Now()
				if err := a.settle(tag); err != nil {
					t.Error(err)
				}
				waits[i] = time.Since(start)
			})
		}
		hands.Wait()
		time.Sleep(time.Second)
		show(frames, waits, a)
	})
}

// Acknowledgements that come thick and fast go together, each is said within the time that a frame waits, and who comes
// after a pause is not held up.
func TestAcksCrowd(t *testing.T) {
	crowd(t, 1000, nil, func(frames []string, waits []time.Duration, a *acks) {
		if n := len(frames); n > 90 || slices.Max(waits) > linger {
			t.Errorf("%d frames, the slowest waited %s", n, slices.Max(waits))
		}
		start := time.Now()
		if err := a.settle(201); err != nil || time.Since(start) > 0 {
			t.Errorf("%v after %s", err, time.Since(start))
		}
	})
}

// With little prefetched, a frame waits only until a quarter of that is to be said.
func TestAcksCrowdOfFew(t *testing.T) {
	for prefetch, want := range map[int]time.Duration{1: 0, 7: 0, 8: 100 * time.Microsecond, 12: 200 * time.Microsecond} {
		crowd(t, prefetch, nil, func(_ []string, waits []time.Duration, _ *acks) {
			if slowest := slices.Max(waits[:190]); slowest != want { // after the last there are no more to wait for
				t.Errorf("prefetch %d: the slowest waited %s, want %s", prefetch, slowest, want)
			}
		})
	}
}

// A gap that stays holds those behind it up for a while, those that come later not, and no frame covers it.
func TestAcksCrowdWithGap(t *testing.T) {
	for _, gap := range []uint64{20, 150} {
		crowd(t, 1000, []uint64{gap}, func(frames []string, waits []time.Duration, _ *acks) {
			if slowest := slices.Max(waits); slowest < patience/2 || slowest > patience+linger {
				t.Errorf("gap %d: the slowest waited %s", gap, slowest)
			}
			if gap == 20 && slices.Max(waits[140:]) > linger {
				t.Errorf("behind an old gap the slowest waited %s", slices.Max(waits[140:]))
			}
			for _, frame := range frames {
				var tag int
				var multiple bool
				if _, err := fmt.Sscan(frame, &tag, &multiple); err != nil || multiple && tag >= int(gap) {
					t.Errorf("gap %d: frame %s says what is not done (%v)", gap, frame, err)
				}
			}
			if frames[len(frames)-1] != "200 false" {
				t.Errorf("gap %d: frames %s", gap, frames)
			}
		})
	}
}

// Behind a gap no more wait than leave something to work on, and none with little prefetched.
func TestAcksCrowdOfFewWithGap(t *testing.T) {
	for prefetch, want := range map[int]time.Duration{8: 100 * time.Microsecond, 16: 300 * time.Microsecond, 32: 1600 * time.Microsecond} {
		crowd(t, prefetch, []uint64{20}, func(_ []string, waits []time.Duration, _ *acks) {
			if slowest := slices.Max(waits[:190]); slowest > want || slowest < want/2 {
				t.Errorf("prefetch %d: the slowest waited %s, want %s at most", prefetch, slowest, want)
			}
		})
	}
}

// Behind a gap that closes all go in one frame.
func TestAcksCrowdWithGapThatCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var frames []string
		a := newAcks(func(tag uint64, multiple bool) error {
			frames = append(frames, fmt.Sprint(tag, multiple))
			return nil
		})
		a.limit(1000)
		var hands sync.WaitGroup
		settle := func(tag uint64) {
			time.Sleep(100 * time.Microsecond)
			hands.Go(func() {
				if err := a.settle(tag); err != nil {
					t.Error(err)
				}
			})
		}
		for tag := range uint64(100) {
			settle(tag + 1)
		}
		hands.Wait()
		before := len(frames)
		for tag := range uint64(30) {
			settle(tag + 102)
		}
		settle(101)
		hands.Wait()
		if got := frames[before:]; len(got) != 1 || got[0] != "131 true" {
			t.Errorf("frames %s", got)
		}
	})
}

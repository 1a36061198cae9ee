package rabbitmq

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
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

package feed

import (
	"errors"
	"slices"
	"sync"
	"testing"
)

func members(s *Set[int]) []int { return slices.Sorted(s.All()) }

func TestSetIsLostOnce(t *testing.T) {
	s := NewSet[int]()
	for v := range 3 {
		if err := s.Add(v, nil); err != nil {
			t.Fatal(err)
		}
	}
	s.Remove(1)
	s.Remove(7) // which it does not have
	select {
	case <-s.Lost():
		t.Fatal("it is lost from the start")
	default:
	}
	if got := members(s); !slices.Equal(got, []int{0, 2}) || s.Cause() != nil {
		t.Errorf("its members are %v, lost to %v", got, s.Cause())
	}
	first, second := errors.New("first"), errors.New("second")
	if !s.Lose(first) || s.Lose(second) {
		t.Error("it was lost twice, or not at all")
	}
	<-s.Lost()
	if err := s.Add(3, func() { t.Error("started what is no member") }); !errors.Is(err, first) || !errors.Is(s.Cause(), first) {
		t.Errorf("a lost set says %v, and that it was lost to %v", err, s.Cause())
	}
	if got := members(s); !slices.Equal(got, []int{0, 2}) {
		t.Errorf("those of a lost set are %v", got)
	}
	for range s.All() {
		break // and it is unlocked
	}
	if s.Remove(2); !slices.Equal(members(s), []int{0}) {
		t.Error("a lost set keeps what is removed")
	}
}

// Whoever has lost a set waits for all that its members have started, and nothing is started after that.
func TestSetStartsNothingOnceLost(t *testing.T) {
	s := NewSet[int]()
	var adders, tasks sync.WaitGroup
	over := false
	for v := range 50 {
		adders.Go(func() {
			_ = s.Add(v, func() { // refused or not: what counts is when
				if over {
					t.Error("started after the end")
				}
				tasks.Go(func() { <-s.Lost() })
			})
		})
	}
	s.Lose(errors.New("over"))
	tasks.Wait()
	over = true // which the race detector compares with what start reads
	adders.Wait()
}

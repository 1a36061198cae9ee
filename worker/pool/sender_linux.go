package pool

import (
	"errors"
	"fmt"
	"sync"

	"taskbench/brokers"
)

// A sender publishes by way of the parent for the job that has a seat, one message at a time.
type sender struct {
	child  *child
	seat   uint32
	answer func() ([]byte, error) // waits for the parent's next word to this seat

	mu   sync.Mutex // held while the answer is awaited
	live bool       // there is a job
}

var (
	errTaskOver   = brokers.Refuse(errors.New("publish for a task: the task has ended"))
	errParentGone = errors.New("publish for a task: the worker that was to do it is gone")
)

func (s *sender) open() {
	s.mu.Lock()
	s.live = true
	s.mu.Unlock()
}

// close waits for the answer to what is being sent: it must not be taken for another job.
func (s *sender) close() {
	s.mu.Lock()
	s.live = false
	s.mu.Unlock()
}

// send is a Job's Send.
func (s *sender) send(m brokers.Message) error {
	frame, err := appendMessage(openFrame(nil, frameSend, s.seat), m)
	if err != nil {
		return brokers.Refusef("publish for a task: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.live {
		return errTaskOver
	}
	if err := s.child.write(closeFrame(frame)); err != nil {
		return fmt.Errorf("publish for a task: %w", err)
	}
	payload, err := s.answer()
	if err != nil {
		return errParentGone
	}
	kind, _, rest, err := about(payload)
	if err != nil || kind != frameAnswer {
		return errParentGone
	}
	return decodeAnswer(rest)
}

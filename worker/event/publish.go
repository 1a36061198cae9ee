package event

import (
	"context"
	"fmt"
	"strings"
	"time"

	"taskbench/brokers"
)

// Batches of task events go out as one message, as those of Celery's prefork workers do: the exchange with the server
// is what an event costs, and a batch has one. A batch is what has come while the one before it was on its way, so that
// nothing ever waits for company.
const (
	batchEvents = 64
	batchBytes  = 256 << 10
)

// Failed publishing is tried again after a while that doubles between these.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// Run publishes through p: first that the worker is online, then what was kept from before, then what comes, with
// heartbeats, until ctx ends. It is called once for each connection, by one goroutine at a time. Events are no reason
// to give a connection up: when publishing fails, Run logs it and tries again.
func (s *Sender) Run(ctx context.Context, p Publisher) {
	s.worker("worker-online", "worker.online")
	var beat <-chan time.Time
	if s.options.Status != nil && s.options.Interval > 0 {
		ticker := time.NewTicker(s.options.Interval)
		defer ticker.Stop()
		beat = ticker.C
	}
	var again <-chan time.Time // after a failure: when to try next
	pause := firstPause
	for {
		for again == nil && ctx.Err() == nil {
			batch := s.take()
			if len(batch) == 0 {
				break
			}
			err := s.publish(ctx, p, batch)
			if s.done(batch, err); err == nil {
				pause = firstPause
				continue
			}
			if pause == firstPause && ctx.Err() == nil {
				s.options.Log.Warn("events cannot be published; they are kept, and it is tried again", "error", err, "kept", s.options.Buffer)
			}
			again = time.After(pause)
			pause = min(2*pause, lastPause)
		}
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-beat:
			s.Heartbeat()
		case <-again:
			again = nil
		}
	}
}

// Stop says that the worker goes offline, for good, and waits until everything that is kept was published by the Run
// that is under way. It returns an error that says how much was not when ctx ends first. A second call only waits.
func (s *Sender) Stop(ctx context.Context) error {
	if s.stopped.CompareAndSwap(false, true) {
		s.tell("worker-offline", "worker.offline")
	}
	for {
		s.mu.Lock()
		left := s.count + s.out
		if left > 0 && s.flushed == nil {
			s.flushed = make(chan struct{})
		}
		flushed := s.flushed
		s.mu.Unlock()
		if left == 0 {
			return nil
		}
		select {
		case <-flushed:
		case <-ctx.Done():
			return fmt.Errorf("publish the last events: %d are left: %w", left, context.Cause(ctx))
		}
	}
}

// take takes the next message's events from the queue: some of tasks, or one of another kind.
func (s *Sender) take() []item {
	s.mu.Lock()
	defer s.mu.Unlock()
	var batch []item
	size := 0
	for s.count > 0 && len(batch) < batchEvents {
		next := s.queue[s.first]
		alone := !strings.HasPrefix(next.key, "task.")
		if len(batch) > 0 && (alone || size+len(next.body) > batchBytes) {
			break
		}
		size += len(next.body)
		batch = append(batch, s.pop())
		if alone {
			break
		}
	}
	s.out = len(batch)
	return batch
}

// done puts a batch that was not published back to the front of the queue, as far as there is room.
func (s *Sender) done(batch []item, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out = 0
	if err != nil {
		for i := len(batch) - 1; i >= 0; i-- {
			if s.count >= s.options.Buffer || s.bytes+len(batch[i].body) > maxBytes {
				s.dropped.Add(uint64(i + 1))
				break
			}
			s.unpop(batch[i])
		}
	}
	if s.count == 0 && s.flushed != nil {
		close(s.flushed)
		s.flushed = nil
	}
}

func (s *Sender) unpop(it item) {
	s.push(item{}) // makes room; its place is given back at once
	s.count--
	s.first = (s.first + len(s.queue) - 1) % len(s.queue)
	s.queue[s.first] = it
	s.count++
	s.bytes += len(it.body)
}

// publish sends a batch as one message: an event by itself under its own key, several as an array.
func (s *Sender) publish(ctx context.Context, p Publisher, batch []item) error {
	key, body := batch[0].key, batch[0].body
	if len(batch) > 1 {
		size := 2
		for _, it := range batch {
			size += len(it.body) + 2
		}
		key, body = "task.multi", append(make([]byte, 0, size), '[')
		for i, it := range batch {
			if i > 0 {
				body = append(body, ", "...)
			}
			body = append(body, it.body...)
		}
		body = append(body, ']')
	}
	return p.Route(ctx, Exchange, key, brokers.Message{
		Headers:         map[string]any{"hostname": s.options.Hostname},
		Body:            body,
		ContentType:     "application/json",
		ContentEncoding: "utf-8",
		Transient:       true,
	})
}

package memory

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"taskbench/brokers/feed"
)

// A remoteSource feeds a consumer from what a link brings.
type remoteSource struct {
	link *link
	id   uint32
	wake chan struct{}
	lost chan struct{} // closed when no more will come; why says the reason
	over sync.Once
	why  error

	mu    sync.Mutex
	inbox []taken
	ended bool
}

// goodbye bounds how long a consumer waits for the server to have understood that it takes no more.
const goodbye = 2 * time.Second

// lose ends the source, because its link is lost or the server has ended the consumer. The first cause stands.
func (s *remoteSource) lose(cause error) {
	s.over.Do(func() {
		s.why = cause
		close(s.lost)
	})
}

// cause is asked once lost is closed.
func (s *remoteSource) cause() error { return s.why }

// arrive is called by the link's reader, which must not wait.
func (s *remoteSource) arrive(tag uint64, queue string, envelope []byte, redelivered bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		go func() { // the server sent it before it read the cancel
			ctx, cancel := context.WithTimeout(context.Background(), goodbye)
			defer cancel()
			_ = s.Settle(ctx, tag, feed.Unseen) // when it fails the link is dead, and the message back anyway
		}()
		return
	}
	s.inbox = append(s.inbox, taken{tag, queue, envelope, redelivered})
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Take implements feed.Source.
func (s *remoteSource) Take(buf []feed.Item) []feed.Item {
	s.mu.Lock()
	inbox := s.inbox
	s.inbox = nil
	s.mu.Unlock()
	for _, it := range inbox {
		buf = append(buf, feed.Item{Tag: it.tag, Message: decode(it.queue, it.envelope), Redelivered: it.redelivered})
	}
	return buf
}

// request is the payload of a request about this subscription.
func (s *remoteSource) request(room int) []byte {
	return binary.BigEndian.AppendUint32(make([]byte, 0, 4+room), s.id)
}

// Settle implements feed.Source.
func (s *remoteSource) Settle(ctx context.Context, tag uint64, o feed.Outcome) error {
	request := append(binary.BigEndian.AppendUint64(s.request(9), tag), byte(o))
	if _, err := s.link.call(ctx, kindSettle, request); err != nil {
		return fmt.Errorf("settle message: %w", err)
	}
	return nil
}

// SetPrefetch implements feed.Source.
func (s *remoteSource) SetPrefetch(n int) error {
	ctx, cancel := context.WithTimeout(context.Background(), silence)
	defer cancel()
	request := binary.BigEndian.AppendUint32(s.request(4), uint32(max(n, 0)))
	if _, err := s.link.call(ctx, kindPrefetch, request); err != nil {
		return fmt.Errorf("set prefetch to %d: %w", n, err)
	}
	return nil
}

// End implements feed.Source. It returns when the server has understood, or is not going to.
func (s *remoteSource) End(unseen []uint64) {
	s.mu.Lock()
	for _, it := range s.inbox {
		unseen = append(unseen, it.tag)
	}
	s.inbox, s.ended = nil, true
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), goodbye)
	defer cancel()
	last, err := s.link.start(ctx, kindCancel, s.request(0))
	for _, tag := range unseen {
		if err != nil {
			return // the link is dead: what it held is back already
		}
		last, err = s.link.start(ctx, kindSettle, append(binary.BigEndian.AppendUint64(s.request(9), tag), byte(feed.Unseen)))
	}
	if err == nil {
		_, _ = wait(ctx, last) // answers come in order, so that the last stands for all
	}
}

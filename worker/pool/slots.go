package pool

import (
	"context"
)

// slots runs jobs on the goroutines of its callers, so many at a time.
type slots struct {
	run    func(*Job) Result
	cancel context.CancelCauseFunc
	taken  chan struct{}
}

func newSlots(size int, run Runner) *slots {
	ctx, cancel := context.WithCancelCause(context.Background())
	return &slots{
		run:    func(j *Job) Result { return run(ctx, j) },
		cancel: cancel,
		taken:  make(chan struct{}, size),
	}
}

func (p *slots) Run(ctx context.Context, j *Job) Result {
	select {
	case p.taken <- struct{}{}: // the common case, and cheaper than a select of two
	default:
		select {
		case p.taken <- struct{}{}:
		case <-ctx.Done():
			return Result{}
		}
	}
	defer func() { <-p.taken }()
	if ctx.Err() != nil {
		return Result{}
	}
	return p.run(j)
}

func (p *slots) Cancel(cause error) { p.cancel(cause) }
func (p *slots) Size() int          { return cap(p.taken) }
func (p *slots) PIDs() []int        { return nil }
func (p *slots) Close() error       { p.cancel(nil); return nil }

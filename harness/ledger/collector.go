package ledger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	pollEvery = 10 * time.Millisecond
	batch     = 4096
)

// A Collector follows all evidence files of a directory, those that appear later too, and feeds a Recorder.
type Collector struct {
	dir string
	rec *Recorder

	mu     sync.Mutex
	tails  map[string]*tail
	order  []*tail
	bad    []error
	closed bool
	listed time.Time // the directory's own time when it was last read
	events []Event
	sum    Collected
	giving bool
	left   Collected // what was torn and lost in files that were removed
	swept  time.Time
}

// Collected is what a Collector has read.
type Collected struct {
	Files  int
	Events int
	Torn   int // begun by a writer that is gone, and never committed; known after Flush
	Lost   int // happened, and found no room on the disk: the history has a gap
}

// NewCollector starts nothing: Run does.
func NewCollector(dir string, rec *Recorder) *Collector {
	return &Collector{dir: dir, rec: rec, tails: map[string]*tail{}}
}

// sweepEvery is how often a Collector that gives back looks for files whose writers are gone.
const sweepEvery = 5 * time.Second

// GiveBack makes the Collector give the disk back what it has read, while the writers go on, and remove the files of
// writers that are gone: nobody else can read them any more. Call it before the first Poll.
func (c *Collector) GiveBack() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.giving = true
}

// Run collects until ctx ends, which is no error; it is at most about 20 ms behind. It returns an error when the
// directory or a file in it cannot be read; it can be called again.
func (c *Collector) Run(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if err := c.Poll(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Poll reads what is there now.
func (c *Collector) Poll() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.poll()
}

// Flush reads everything to the end and tells what was read in all. Call it when the writers are gone: what they
// have not committed by now counts as torn. The error names files that could not be read.
func (c *Collector) Flush() (Collected, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flush()
}

func (c *Collector) flush() (Collected, error) {
	c.listed = time.Time{}
	err := c.poll()
	c.sum.Torn, c.sum.Lost = c.left.Torn, c.left.Lost
	for _, t := range c.order {
		torn, lost := t.unread()
		c.sum.Torn += torn
		c.sum.Lost += lost
	}
	return c.sum, errors.Join(append(c.bad, err)...)
}

// Collected is the sum so far. Lost is up to date, Torn as of the last Flush.
func (c *Collector) Collected() Collected {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.sum.Lost = c.left.Lost
	}
	for _, t := range c.order {
		c.sum.Lost += int(t.head.lost.Load())
	}
	return c.sum
}

// Close flushes and gives the files up; Collected stays callable. A second call does nothing and returns nil.
func (c *Collector) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	_, err := c.flush()
	for _, t := range c.order {
		t.close()
	}
	c.order, c.closed = nil, true
	return err
}

func (c *Collector) poll() error {
	if c.closed {
		return errors.New("collect evidence: the collector is closed")
	}
	if err := c.list(); err != nil {
		return err
	}
	for _, t := range c.order {
		if err := c.drain(t); err != nil {
			return err
		}
	}
	if c.giving && time.Since(c.swept) >= sweepEvery {
		c.swept = time.Now()
		return c.sweep()
	}
	return nil
}

// drain reads a file as far as it goes now.
func (c *Collector) drain(t *tail) error {
	for more := true; more; {
		var err error
		c.events, more, err = t.poll(c.events[:0], batch)
		c.sum.Events += len(c.events)
		c.rec.Apply(c.events...)
		if err != nil {
			return fmt.Errorf("collect evidence: %w", err)
		}
	}
	return nil
}

// sweep removes the files of writers that are gone, when they have been read.
func (c *Collector) sweep() error {
	var failed error
	c.order = slices.DeleteFunc(c.order, func(t *tail) bool {
		if failed != nil || !t.orphaned() {
			return false
		}
		if failed = c.drain(t); failed != nil { // what it wrote last
			return false
		}
		torn, lost := t.unread()
		c.left.Torn, c.left.Lost = c.left.Torn+torn, c.left.Lost+lost
		t.close()
		if err := os.Remove(t.path); err == nil {
			delete(c.tails, filepath.Base(t.path))
		}
		return true
	})
	return failed
}

// list finds new files. It reads the directory only when its time changed, or is so young that a further change
// might not show.
func (c *Collector) list() error {
	info, err := os.Stat(c.dir)
	if err != nil {
		return fmt.Errorf("collect evidence: %w", err)
	}
	if info.ModTime().Equal(c.listed) && time.Since(c.listed) > time.Second {
		return nil
	}
	d, err := os.Open(c.dir)
	if err != nil {
		return fmt.Errorf("collect evidence: %w", err)
	}
	names, err := d.Readdirnames(-1)
	if err = errors.Join(err, d.Close()); err != nil {
		return fmt.Errorf("collect evidence: %w", err)
	}
	for _, name := range names {
		if _, known := c.tails[name]; known || !strings.HasSuffix(name, evidenceSuffix) {
			continue
		}
		t, err := openTail(filepath.Join(c.dir, name))
		if err != nil && !errors.Is(err, errNotEvidence) {
			return fmt.Errorf("collect evidence: %w", err)
		}
		c.tails[name] = t
		if err != nil {
			c.bad = append(c.bad, fmt.Errorf("collect evidence: %w", err))
			continue
		}
		if c.giving {
			if err := t.giving(); err != nil {
				return fmt.Errorf("collect evidence: %w", err)
			}
		}
		c.order = append(c.order, t)
		c.sum.Files++
	}
	c.listed = info.ModTime()
	return nil
}
